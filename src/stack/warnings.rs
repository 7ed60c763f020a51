//! Warnings about stacks that work, but perhaps not as the user expects.

use std::collections::BTreeMap;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

use super::{
    api::status::StackProblem,
    model::{Stack, StackComponent},
    problems::problem,
    resolve::monitoring::FIELD_OF_GRAFANA,
};
use crate::{
    engine::{cache::Snapshot, deadlines::DeadlineTracker},
    kinds::Managed,
    reasons,
    workload::{
        build::ingress_nginx,
        health,
        model::{Component, GatewayParents, Tls},
        problems::Severity,
    },
};

/// Seconds at the maximum after which more pods do not help.
const AT_MAXIMUM: i64 = 30 * 60;
/// Words in the name of an issuer that obtains certificates from a public authority by ACME.
const ACME: [&str; 4] = ["acme", "letsencrypt", "lets-encrypt", "zerossl"];
/// Last labels of hosts that no public authority can verify: RFC 2606, 6761, 6762 and 8375, `internal`,
/// which ICANN reserves for private use, and those that were always used so.
const PRIVATE: [&str; 11] = [
    "local",
    "localhost",
    "internal",
    "test",
    "example",
    "invalid",
    "lan",
    "corp",
    "home",
    "intranet",
    "home.arpa",
];

/// Returns the warnings that the spec alone causes.
#[must_use]
pub fn warnings(stack: &Stack) -> Vec<StackProblem> {
    let mut found: Vec<StackProblem> = stack.components.values().filter_map(|it| capped(stack, it)).collect();
    found.extend(stack.running().filter_map(|(component, workload)| latest(stack, component, workload)));
    found.extend(single_node(stack));
    found.extend(settings_without_effect(stack));
    found.extend(certificates(stack));
    found.extend(without_login(stack));
    found
}

/// Returns a warning for each autoscaler that memory keeps at its maximum.
#[must_use]
pub fn at_maximum(stack: &Stack, snapshot: &Snapshot, clock: &DeadlineTracker) -> Vec<StackProblem> {
    let bound = |(component, workload): (&StackComponent, &Component)| {
        let key = crate::engine::plan::Key {
            namespace: Some(stack.scope.namespace.clone()),
            name: workload.name.clone(),
        };
        let live = snapshot.get(HorizontalPodAutoscaler::KIND, &key)?.observed::<health::Autoscaler>()?;
        let bound = live.memory_bound.as_ref().filter(|bound| clock.expired(AT_MAXIMUM, bound.since))?;
        let message = format!(
            "has run its maximum of {} pods for more than 30 minutes, because memory stays at its target; a program \
             that does not return memory, such as a Java VM, is never scaled down",
            bound.pods
        );
        let object = ("HorizontalPodAutoscaler", workload.name.as_str());
        Some(warning(stack, reasons::AUTOSCALER_AT_MAXIMUM, object, Some(component), message))
    };
    stack.running().filter_map(bound).collect()
}

fn warning(
    stack: &Stack,
    reason: &str,
    (kind, name): (&str, &str),
    component: Option<&StackComponent>,
    message: String,
) -> StackProblem {
    let component = component.map(|it| it.name.as_str());
    let object = format!("{kind} {}/{name}", stack.scope.namespace);
    problem(stack, Severity::Warning, reason, component, message).of_object(object)
}

fn capped(stack: &Stack, component: &StackComponent) -> Option<StackProblem> {
    let capped = component.capped.as_ref()?;
    let message = format!(
        "{}: {} pods were asked for and {} are used: {}",
        component.name, capped.asked, capped.given, capped.reason
    );
    Some(problem(stack, Severity::Warning, reasons::REPLICAS_CAPPED, Some(&component.name), message))
}

fn latest(stack: &Stack, component: &StackComponent, workload: &Component) -> Option<StackProblem> {
    let kind = format!("{:?}", component.kind);
    workload.image.is_latest().then(|| {
        let message = format!("image '{}' cannot be rolled back", workload.image);
        warning(stack, reasons::IMAGE_TAG_LATEST, (&kind, &workload.name), Some(component), message)
    })
}

/// Several pods that mount one ReadWriteOnce volume.
fn single_node(stack: &Stack) -> Vec<StackProblem> {
    let mut pods: BTreeMap<&str, i32> = BTreeMap::new();
    for (_, workload) in stack.running().filter(|(_, workload)| workload.co_scheduled) {
        if let Some(claim) = &workload.claim {
            *pods.entry(claim).or_default() += workload.scale.most();
        }
    }
    let several = pods.into_iter().filter(|(_, pods)| *pods > 1);
    several
        .map(|(claim, pods)| {
            let message =
                format!("up to {pods} pods mount this PVC, which is ReadWriteOnce, and all run on one node");
            warning(stack, reasons::STORAGE_SINGLE_NODE, ("PersistentVolumeClaim", claim), None, message)
        })
        .collect()
}

/// Settings that the class of the Ingress, or the Gateway API, does not have. WebSockets need none.
fn settings_without_effect(stack: &Stack) -> Vec<StackProblem> {
    let mut found = Vec::new();
    let unknown =
        stack.ingress.as_ref().filter(|ingress| !ingress_nginx::speaks(ingress.class_name.as_deref()));
    if let Some(ingress) = unknown {
        let class = match &ingress.class_name {
            Some(name) => format!("class '{name}'"),
            None => "the default class, which the spec does not name,".to_owned(),
        };
        let mut add = |reason, message| {
            found.push(warning(stack, reason, ("Ingress", &ingress.name), None, message));
        };
        if ingress.rules.iter().any(|rule| rule.route.rewrite.is_some()) {
            let message = format!(
                "the operator knows no rewrite for {class}; requests keep their path, and `rewrite` has no effect"
            );
            add(reasons::REWRITE_UNSUPPORTED, message);
        }
        if ingress.rules.iter().any(|rule| rule.rate.is_some()) {
            let message =
                format!("the operator knows no rate limit setting for {class}; `rateLimit` has no effect");
            add(reasons::RATE_LIMIT_UNSUPPORTED, message);
        }
    }
    if stack.gateway.is_some() && stack.gateway_rate_limit {
        let message = "the Gateway API has no rate limit; `rateLimit` has no effect".to_owned();
        found.push(warning(
            stack,
            reasons::RATE_LIMIT_UNSUPPORTED,
            ("HTTPRoute", &stack.scope.owner.name),
            None,
            message,
        ));
    }
    found
}

/// Hosts that the issuer's authority cannot verify.
fn certificates(stack: &Stack) -> Vec<StackProblem> {
    let of_ingress = stack.ingress.iter().filter_map(|ingress| {
        let hosts = ingress.rules.iter().filter_map(|rule| rule.route.host.as_deref());
        Some(("Ingress", ingress.name.as_str(), ingress.tls.as_ref()?, hosts.collect::<Vec<_>>()))
    });
    let of_gateway = stack.gateway.iter().filter_map(|gateway| {
        let GatewayParents::Own { tls, .. } = &gateway.parents else { return None };
        let hosts = gateway.routes.iter().filter_map(|route| route.host.as_deref());
        Some(("Gateway", stack.scope.owner.name.as_str(), tls.as_ref()?, hosts.collect::<Vec<_>>()))
    });
    let pending = |(kind, name, tls, hosts): (&str, &str, &Tls, Vec<&str>)| {
        let issuer = &tls.issuer.as_ref()?.name;
        ACME.iter().find(|word| issuer.to_lowercase().contains(*word))?;
        let mut private: Vec<&str> = hosts.into_iter().filter(|host| is_private(host)).collect();
        private.sort_unstable();
        private.dedup();
        if private.is_empty() {
            return None;
        }
        let message = format!(
            "issuer '{issuer}' asks a public authority for a certificate, which it cannot give for {}: the certificate \
             stays pending",
            private.join(" and ")
        );
        Some(warning(stack, reasons::CERTIFICATE_PENDING, (kind, name), None, message))
    };
    of_ingress.chain(of_gateway).filter_map(pending).collect()
}

fn is_private(host: &str) -> bool {
    let below =
        |private: &str| host.strip_suffix(private).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !host.contains('.') || PRIVATE.iter().any(|private| below(private))
}

/// Routes to programs of the bundled monitoring that let every client in.
fn without_login(stack: &Stack) -> Vec<StackProblem> {
    let of_ingress = stack
        .ingress
        .iter()
        .flat_map(|ingress| ingress.rules.iter().map(|rule| ("Ingress", ingress.name.as_str(), &rule.route)));
    let of_gateway = stack.gateway.iter().flat_map(|gateway| {
        gateway.routes.iter().map(|route| ("HTTPRoute", stack.scope.owner.name.as_str(), route))
    });
    let exposed = |(kind, name, route): (&str, &str, &crate::workload::model::Route)| {
        let has_login = |field| field == FIELD_OF_GRAFANA;
        let mut open = stack.running().filter(|(it, _)| it.bundled.is_some_and(|field| !has_login(field)));
        let (component, _) = open.find(|(_, workload)| workload.name == route.service)?;
        let message = format!(
            "{}{} leads to {}, which has no login: every client can read all metrics",
            route.host.as_deref().unwrap_or("*"),
            route.path,
            component.name
        );
        Some(warning(stack, reasons::EXPOSED_WITHOUT_LOGIN, (kind, name), Some(component), message))
    };
    of_ingress.chain(of_gateway).filter_map(exposed).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        stack::{api::ServiceStack, resolve::resolve, tests::example},
        workload::model::Scale,
    };

    /// The reasons of the warnings about a stack with these blocks.
    fn reasons_of(spec: &Value) -> Vec<String> {
        let cr: ServiceStack = serde_json::from_value(json!({
            "apiVersion": "logpilot.io/v1alpha1", "kind": "ServiceStack",
            "metadata": { "name": "shop", "namespace": "n", "uid": "u" }, "spec": spec,
        }))
        .unwrap();
        let found = warnings(&resolve(&cr).unwrap());
        assert!(
            found.iter().all(|it| !it.problem.action.contains("annotations")),
            "a stack has none: {found:?}"
        );
        assert!(found.iter().all(|it| it.problem.action != "see the message"), "{found:?}");
        found.into_iter().map(|it| it.problem.reason).collect()
    }

    fn exposed(ingress: &Value) -> Value {
        json!({
            "components": { "web": { "image": "a:1", "ports": [{ "name": "http", "port": 80 }] } },
            "exposure": { "ingress": ingress },
        })
    }

    fn rule(host: &str) -> Value {
        json!({ "host": host, "path": "/a", "component": "web" })
    }

    #[rstest]
    #[case::nginx("nginx", &[])]
    #[case::of_f5("nginx-plus", &[])]
    #[case::traefik("traefik", &["RewriteUnsupported", "RateLimitUnsupported"])]
    #[case::haproxy("haproxy", &["RewriteUnsupported", "RateLimitUnsupported"])]
    fn rewrites_and_limits_need_a_known_class(#[case] class: &str, #[case] reasons: &[&str]) {
        let mut rule = rule("a.example.com");
        rule["rewrite"] = json!("/b");
        rule["rateLimit"] = json!({ "requestsPerMinute": 100 });
        assert_eq!(reasons_of(&exposed(&json!({ "className": class, "rules": [rule] }))), reasons);
    }

    #[test]
    fn a_web_socket_needs_no_known_class() {
        let mut rule = rule("a.example.com");
        rule["webSocket"] = json!(true);
        assert_eq!(reasons_of(&exposed(&json!({ "className": "traefik", "rules": [rule] }))), [""; 0]);
    }

    #[test]
    fn a_gateway_rewrites_but_limits_nothing() {
        let mut rule = rule("a.example.com");
        rule["rewrite"] = json!("/b");
        let mut spec = exposed(&Value::Null);
        spec["exposure"] = json!({ "gateway": { "className": "envoy", "rules": [rule.clone()] } });
        assert_eq!(reasons_of(&spec), [""; 0]);
        rule["rateLimit"] = json!({ "requestsPerSecond": 1 });
        spec["exposure"]["gateway"]["rules"] = json!([rule.clone()]);
        assert_eq!(reasons_of(&spec), ["RateLimitUnsupported"]);
        rule["rateLimit"]["enabled"] = json!(false);
        spec["exposure"]["gateway"]["rules"] = json!([rule]);
        assert_eq!(reasons_of(&spec), [""; 0]);
    }

    #[rstest]
    #[case::private("letsencrypt-prod", "erp.local", true)]
    #[case::one_label("letsencrypt-prod", "erp", true)]
    #[case::deep("my-ACME", "a.home.arpa", true)]
    #[case::public("letsencrypt-prod", "erp.example.com", false)]
    #[case::the_same_end("letsencrypt-prod", "a.notlocal", false)]
    #[case::private_authority("company-ca", "erp.local", false)]
    fn a_public_authority_verifies_no_private_host(
        #[case] issuer: &str,
        #[case] host: &str,
        #[case] pending: bool,
    ) {
        let tls = json!({ "secretName": "t", "issuerRef": { "name": issuer } });
        let found = reasons_of(&exposed(&json!({ "className": "nginx", "tls": tls, "rules": [rule(host)] })));
        assert_eq!(found, if pending { vec!["CertificatePending"] } else { vec![] });
    }

    #[test]
    fn a_prometheus_that_is_exposed_has_no_login() {
        let mut spec = exposed(&json!({ "className": "nginx", "rules": [
            { "host": "a.example.com", "path": "/p", "component": "prometheus" },
            { "host": "a.example.com", "path": "/g", "component": "grafana" },
            { "host": "a.example.com", "path": "/w", "component": "web" },
        ] }));
        spec["monitoring"] = json!({ "prometheus": {}, "grafana": {} });
        assert_eq!(reasons_of(&spec), ["ExposedWithoutLogin"]);
    }

    #[test]
    fn pods_of_one_volume_share_a_node() {
        let with = |replicas: i32, mode: &str| {
            json!({ "components": { "web": {
                "image": "a:1", "replicas": replicas,
                "volumes": { "data": { "path": "/d", "size": "1Gi", "accessMode": mode } },
            } } })
        };
        assert_eq!(reasons_of(&with(2, "ReadWriteOnce")), ["StorageSingleNode"]);
        assert_eq!(reasons_of(&with(1, "ReadWriteOnce")), [""; 0]);
        assert_eq!(reasons_of(&with(2, "ReadWriteMany")), [""; 0]);
    }

    #[test]
    fn a_latest_tag_cannot_be_rolled_back() {
        assert_eq!(
            reasons_of(&json!({ "components": { "web": { "image": "a:latest" } } })),
            ["ImageTagLatest"]
        );
    }

    #[test]
    fn limits_of_a_program_cut_its_autoscaler() {
        let stack = resolve(&example("codebeaker")).unwrap();
        let component = stack.components.values().find(|it| it.capped.is_some()).unwrap();
        let Scale::Autoscaled(autoscaler) = &component.workload.as_ref().unwrap().scale else {
            panic!("{component:?}")
        };
        assert_eq!((autoscaler.min, autoscaler.max), (3, 10));
        let told =
            warnings(&stack).into_iter().find(|it| it.problem.reason == reasons::REPLICAS_CAPPED).unwrap();
        assert!(told.problem.message.contains("20 pods were asked for and 10 are used"), "{told:?}");
        assert!(told.problem.message.contains("FileQueue allows 3 to 10 workers"), "{told:?}");
    }

    #[test]
    fn an_example_without_risks_has_no_warning() {
        let found = warnings(&resolve(&example("erp")).unwrap());
        assert_eq!(found, []);
    }
}
