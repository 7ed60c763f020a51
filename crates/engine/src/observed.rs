//! The status of a live object, as read by the row of its kind. The engine keeps it and does not know
//! its content.

use std::{any::Any, fmt, sync::Arc};

use serde_json::Value;

use super::kind::Domain;

/// The status of the objects of one kind, reduced to what is needed of it.
pub trait Observe: Any + fmt::Debug + PartialEq + Send + Sync + Sized {
    fn read(live: &Value, domain: &Domain) -> Self;

    /// Returns the name of the run-to-completion object that this object is part of, and whether this
    /// part has begun.
    fn part_of_run(&self) -> Option<(&str, bool)> {
        None
    }
}

/// A status of any kind; nothing where the kind has none.
#[derive(Clone, Debug, Default)]
pub struct Observed(Option<Arc<dyn Status>>);

/// What [`Observe`] has and a trait object can have.
trait Status: Any + fmt::Debug + Send + Sync {
    fn equals(&self, other: &dyn Status) -> bool;
    fn part_of_run(&self) -> Option<(&str, bool)>;
}

impl<T: Observe> Status for T {
    fn equals(&self, other: &dyn Status) -> bool {
        (other as &dyn Any).downcast_ref::<T>() == Some(self)
    }

    fn part_of_run(&self) -> Option<(&str, bool)> {
        Observe::part_of_run(self)
    }
}

impl Observed {
    /// For the row of a kind of which no status is needed.
    #[must_use]
    pub fn nothing(_live: &Value, _domain: &Domain) -> Self {
        Self(None)
    }

    /// For the row of a kind whose status is a `T`.
    #[must_use]
    pub fn of<T: Observe>(live: &Value, domain: &Domain) -> Self {
        Self(Some(Arc::new(T::read(live, domain))))
    }

    /// The status, if it is a `T`.
    #[must_use]
    pub fn get<T: Observe>(&self) -> Option<&T> {
        let status: &dyn Any = &**self.0.as_ref()?;
        status.downcast_ref()
    }

    pub(crate) fn part_of_run(&self) -> Option<(&str, bool)> {
        self.0.as_ref()?.part_of_run()
    }
}

impl PartialEq for Observed {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => one.equals(&**other),
            (None, None) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kinds::DOMAIN;

    #[derive(Debug, PartialEq)]
    struct Size(i64);

    impl Observe for Size {
        fn read(live: &Value, _domain: &Domain) -> Self {
            Self(live["size"].as_i64().unwrap())
        }
    }

    #[derive(Debug, PartialEq)]
    struct Part(String);

    impl Observe for Part {
        fn read(live: &Value, _domain: &Domain) -> Self {
            Self(live["of"].as_str().unwrap().to_owned())
        }

        fn part_of_run(&self) -> Option<(&str, bool)> {
            Some((&self.0, true))
        }
    }

    #[test]
    fn a_status_is_what_it_was_read_as() {
        let [one, same, other] =
            [1, 1, 2].map(|size| Observed::of::<Size>(&json!({ "size": size }), &DOMAIN));
        let part = Observed::of::<Part>(&json!({ "of": "job" }), &DOMAIN);
        let nothing = Observed::nothing(&json!({}), &DOMAIN);
        assert_eq!(one, same);
        assert_ne!(one, other);
        assert_ne!(one, part);
        assert_ne!(one, nothing);
        assert_eq!(nothing, Observed::default());
        assert_eq!(one.get::<Size>(), Some(&Size(1)));
        assert_eq!((one.get::<Part>(), nothing.get::<Size>()), (None, None));
        assert_eq!((part.part_of_run(), one.part_of_run()), (Some(("job", true)), None));
    }
}
