//! Determines the owner of a live object from its cached form. The operator never overwrites a foreign
//! object.

use super::{child::Child, kind::Management, resource::ResourceRef};

/// The resource that a plan belongs to: the one with this UID, not another one of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub resource: ResourceRef,
    pub uid: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    Ours,
    /// The object was created for an earlier resource of the same name. The garbage collector deletes
    /// it, and then the operator recreates it.
    PreviousOwner,
    /// Only the labels name the resource, as after a restore from a backup. The content of the object
    /// decides.
    Lookalike,
    Foreign(Foreign),
}

/// An object of another owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The owner, as a text for users.
    pub whose: String,
    /// The other resource of this kind that the object was created for, if its labels name one and
    /// nothing controls the object. Such an object outlives its resource.
    pub instance: Option<String>,
}

impl Owner {
    #[must_use]
    pub fn of(&self, child: &Child) -> Ownership {
        match &child.controller {
            Some(controller) if controller.uid == self.uid => Ownership::Ours,
            Some(_) if child.controlling().as_ref() == Some(&self.resource) => {
                // An object that holds data is taken over with its data, regardless of the retention
                // policy of an earlier resource.
                if child.kind.management == Management::Retained {
                    Ownership::Ours
                } else {
                    Ownership::PreviousOwner
                }
            }
            Some(controller) => {
                foreign(format!("it is controlled by {} '{}'", controller.kind, controller.name), None)
            }
            None => match &child.labelled {
                // Without the operator's entry in managedFields the labels alone prove nothing, except
                // for objects that outlive their resource on purpose.
                Some(resource)
                    if *resource == self.resource
                        && (child.digest.is_some() || child.kind.management == Management::Retained) =>
                {
                    Ownership::Ours
                }
                Some(resource) if *resource != self.resource => {
                    let (kind, key) = (resource.kind(), resource.key());
                    // A resource of the other kind is not named: users would be advised to change the
                    // label, and the name is only one label away from that kind's.
                    let instance = (kind == self.resource.kind()).then(|| key.name.clone());
                    foreign(format!("it belongs to {} '{key}'", kind.kind), instance)
                }
                // Jobs and Secrets are excluded: a Job would run once more, and the operator never
                // takes over a Secret.
                Some(_) if child.kind.management == Management::Managed => Ownership::Lookalike,
                _ => foreign("it was not created by this operator".to_owned(), None),
            },
        }
    }
}

fn foreign(whose: String, instance: Option<String>) -> Ownership {
    Ownership::Foreign(Foreign { whose, instance })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        kind::Kind,
        resource::ResourceKind,
        test_kinds::{CLAIM, CONFIG_MAP, FLEET, TOY},
    };

    /// A retained PVC of `erp` in namespace `a`, with labels of this kind.
    fn kept(label: Option<&str>) -> Value {
        let mut labels =
            json!({ "app.kubernetes.io/managed-by": "toy-operator", "app.kubernetes.io/instance": "erp" });
        if let Some(label) = label {
            labels[label] = json!("erp");
        }
        json!({ "metadata": { "name": "erp-data", "namespace": "a", "uid": "c", "labels": labels } })
    }

    fn controlled(by: &ResourceKind, uid: &str) -> Value {
        let mut object = kept(Some(by.label));
        object["metadata"]["ownerReferences"] = json!([
            { "apiVersion": by.api_version(), "kind": by.kind, "name": "erp", "uid": uid, "controller": true },
        ]);
        object
    }

    fn whose(owner: &ResourceRef, kind: &'static Kind, object: &Value) -> String {
        let owner = Owner { resource: owner.clone(), uid: "o".into() };
        match owner.of(&Child::read(kind, object).unwrap()) {
            Ownership::Foreign(foreign) => format!("{} {:?}", foreign.whose, foreign.instance),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_retained_pvc_belongs_to_its_own_resource() {
        let toy = |namespace| ResourceRef::new(&TOY, Some(namespace), "erp");
        let (fleet, other) = (ResourceRef::new(&FLEET, None, "erp"), ResourceRef::new(&FLEET, None, "crm"));
        let (toys, fleets) = (kept(Some(TOY.label)), kept(Some(FLEET.label)));
        for (owner, object, expected) in [
            (toy("a"), &toys, "Ours"),
            (toy("b"), &toys, "it belongs to Toy 'a/erp' Some(\"erp\")"),
            (fleet.clone(), &toys, "it belongs to Toy 'a/erp' None"),
            (toy("a"), &fleets, "it belongs to Fleet 'erp' None"),
            (fleet.clone(), &fleets, "Ours"),
            (other, &fleets, "it belongs to Fleet 'erp' Some(\"erp\")"),
            // Labels from the time when there was only one kind.
            (fleet.clone(), &kept(None), "Ours"),
            (toy("a"), &kept(None), "it belongs to Fleet 'erp' None"),
        ] {
            assert_eq!(whose(&owner, &CLAIM, object), expected, "{owner}");
        }
        let mut both = toys.clone();
        both["metadata"]["labels"][FLEET.label] = json!("erp");
        for owner in [toy("a"), fleet] {
            assert_eq!(whose(&owner, &CLAIM, &both), "it was not created by this operator None", "{owner}");
        }
    }

    #[test]
    fn previous_owners_share_kind_and_namespace() {
        let toy = |namespace| ResourceRef::new(&TOY, Some(namespace), "erp");
        let fleet = ResourceRef::new(&FLEET, None, "erp");
        let (toys, fleets) = (controlled(&TOY, "earlier"), controlled(&FLEET, "earlier"));
        for (owner, object, expected) in [
            (toy("a"), &toys, "PreviousOwner"),
            (toy("b"), &toys, "it is controlled by Toy 'erp' None"),
            (fleet.clone(), &toys, "it is controlled by Toy 'erp' None"),
            (toy("a"), &fleets, "it is controlled by Fleet 'erp' None"),
            (fleet.clone(), &fleets, "PreviousOwner"),
            (fleet.clone(), &controlled(&FLEET, "o"), "Ours"),
        ] {
            assert_eq!(whose(&owner, &CONFIG_MAP, object), expected, "{owner}");
            let taken = whose(&owner, &CLAIM, object) == "Ours";
            assert_eq!(taken, !expected.starts_with("it is"), "{owner}: {expected}");
        }
        // A group whose name begins with the operator's group.
        let mut near = controlled(&FLEET, "earlier");
        near["metadata"]["ownerReferences"][0]["apiVersion"] = json!("toys.example.com.evil.org/v1");
        assert_eq!(whose(&fleet, &CLAIM, &near), "it is controlled by Fleet 'erp' None");
    }
}
