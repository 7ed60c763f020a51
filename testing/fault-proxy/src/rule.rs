//! The rules: which requests fail, and how.

use http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::request::{Asked, query};

/// A fault for the requests that match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    #[serde(default)]
    pub when: When,
    #[serde(default)]
    pub times: Times,
    pub then: Fault,
}

/// Reads a list of rules.
///
/// # Errors
/// The text is not YAML, or contains an unknown field.
pub fn read(text: &str) -> Result<Vec<Rule>, serde_yaml::Error> {
    // Converted through JSON, where enum variants are keys instead of tags.
    let value: Value = serde_yaml::from_str(text)?;
    serde_json::from_value(value).map_err(serde::de::Error::custom)
}

/// The conditions on a request; an omitted field matches anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct When {
    pub verb: Option<String>,
    /// Every verb that can change something.
    pub writes: bool,
    pub group: Option<String>,
    pub resource: Option<String>,
    /// `-` for requests without one.
    pub subresource: Option<String>,
    pub namespace: Option<String>,
    pub name: Option<String>,
}

impl When {
    /// Matches every write.
    #[must_use]
    pub fn writes() -> Self {
        Self { writes: true, ..Self::default() }
    }

    /// Matches one verb on one kind.
    #[must_use]
    pub fn of(verb: &str, resource: &str) -> Self {
        Self { verb: Some(verb.to_owned()), resource: Some(resource.to_owned()), ..Self::default() }
    }

    /// The same, in one namespace only.
    #[must_use]
    pub fn within(self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..self }
    }

    #[must_use]
    pub fn matches(&self, asked: &Asked) -> bool {
        let same = |wanted: &Option<String>, is: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| is.unwrap_or("-") == wanted)
        };
        (!self.writes || asked.writes())
            && same(&self.verb, Some(&asked.verb))
            && same(&self.group, Some(&asked.group))
            && same(&self.resource, Some(&asked.resource))
            && same(&self.subresource, asked.subresource.as_deref())
            && same(&self.namespace, asked.namespace.as_deref())
            && same(&self.name, asked.name.as_deref())
    }
}

/// Restricts a list or a watch to a part of the objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrow {
    pub when: When,
    /// `labelSelector` or `fieldSelector`.
    pub parameter: &'static str,
    pub selector: String,
}

impl Narrow {
    /// Returns the URL with the selector, joined to an existing one.
    #[must_use]
    pub fn apply(&self, uri: &Uri) -> Uri {
        let selector = self.selector.replace('/', "%2F").replace('=', "%3D");
        let old = query(uri, self.parameter);
        let both = old.map_or_else(|| selector.clone(), |old| format!("{old}%2C{selector}"));
        let kept = uri.query().unwrap_or_default().split('&').filter(|pair| {
            !pair.is_empty() && pair.split('=').next().is_some_and(|key| key != self.parameter)
        });
        let query: Vec<String> =
            kept.map(str::to_owned).chain([format!("{}={both}", self.parameter)]).collect();
        format!("{}?{}", uri.path(), query.join("&")).parse().unwrap_or_else(|_| uri.clone())
    }
}

/// Which of the matching requests, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Times {
    #[default]
    Every,
    Nth(u64),
    First(u64),
    /// This many, starting with this one.
    Span {
        from: u64,
        count: u64,
    },
}

impl Times {
    #[must_use]
    pub fn include(self, count: u64) -> bool {
        match self {
            Self::Every => true,
            Self::Nth(nth) => count == nth,
            Self::First(first) => count <= first,
            Self::Span { from, count: many } => (from..from.saturating_add(many)).contains(&count),
        }
    }
}

/// The moment at which a process dies, relative to one of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Moment {
    /// The request never reaches the API server.
    Before,
    /// The request was carried out; the response is lost.
    Committed,
    /// The response arrived; nothing after it does.
    Replied,
}

/// The fault of a request or of its response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// The request is forwarded later.
    Delay { millis: u64 },
    /// The connection is closed; nothing is forwarded.
    Refuse,
    /// The request is carried out, and the connection is closed instead of a response.
    LoseReply,
    /// The request is neither forwarded nor answered; the connection stays open.
    Hang,
    /// The proxy answers; nothing is forwarded.
    Answer(Reply),
    /// The request is carried out, and this response replaces its own: a 504 after a commit.
    AnswerAfter(Reply),
    /// The body ends after this many bytes, with the connection.
    Truncate { bytes: u64 },
    /// The body is sent at this rate at most.
    Throttle { bytes_per_second: u64 },
    /// A watch falls silent after this many events; its connection stays open.
    Freeze { events: u64 },
    /// A watch ends cleanly after this many events.
    End { events: u64 },
    /// A watch ends cleanly after this time.
    Close { millis: u64 },
    /// One event of a watch is dropped.
    Skip { event: u64 },
    /// One event of a watch is sent twice.
    Repeat { event: u64 },
    /// One event of a watch, and all after it, are delayed.
    Late { event: u64, millis: u64 },
    /// A forged event precedes this event of a watch: an ERROR 410, a BOOKMARK, a broken object.
    Insert { event: u64, line: Value },
    /// The value at this pointer is replaced before the event is forwarded.
    Garble { event: u64, pointer: String, value: Value },
    /// The oldest recorded response to a list of this URL is sent instead of a new one.
    Replay,
    /// The process dies from the API server's point of view: from this moment on, nothing passes on
    /// its connections until [`crate::Proxy::revive`].
    Crash(Moment),
}

/// A response in the API server's format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    pub status: u16,
    pub reason: String,
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub retry_after_seconds: Option<u32>,
}

impl Reply {
    #[must_use]
    pub fn new(status: u16, reason: &str) -> Self {
        Self {
            status,
            reason: reason.to_owned(),
            message: "said by a rule".to_owned(),
            retry_after_seconds: None,
        }
    }

    /// The `Status` object.
    #[must_use]
    pub fn body(&self) -> Value {
        serde_json::json!({
            "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
            "code": self.status, "reason": self.reason, "message": self.message,
            "details": { "retryAfterSeconds": self.retry_after_seconds.unwrap_or(0) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked {
            verb: "patch".to_owned(),
            group: "apps".to_owned(),
            resource: "deployments".to_owned(),
            namespace: Some("a".to_owned()),
            name: Some("d".to_owned()),
            subresource: None,
        }
    }

    #[test]
    fn omitted_fields_match_anything() {
        assert!(When::default().matches(&asked()));
        assert!(When::writes().matches(&asked()));
        assert!(When::of("patch", "deployments").within("a").matches(&asked()));
        assert!(!When::of("patch", "deployments").within("b").matches(&asked()));
        assert!(!When::of("get", "deployments").matches(&asked()));
        assert!(!When { subresource: Some("scale".to_owned()), ..When::default() }.matches(&asked()));
        assert!(When { subresource: Some("-".to_owned()), ..When::default() }.matches(&asked()));
    }

    #[test]
    fn occurrences_are_counted_from_one() {
        let of = |times: Times| (1..=4).filter(|&count| times.include(count)).collect::<Vec<u64>>();
        assert_eq!(of(Times::Every), [1, 2, 3, 4]);
        assert_eq!(of(Times::Nth(3)), [3]);
        assert_eq!(of(Times::First(2)), [1, 2]);
        assert_eq!(of(Times::Span { from: 2, count: 2 }), [2, 3]);
    }

    #[test]
    fn a_selector_is_joined_to_the_existing_one() {
        let narrow = |parameter, selector: &str, uri: &str| {
            let narrow = Narrow { when: When::default(), parameter, selector: selector.to_owned() };
            narrow.apply(&uri.parse().unwrap()).to_string()
        };
        assert_eq!(
            narrow("labelSelector", "a/b=c", "/api/v1/pods?limit=5&labelSelector=x%3Dy&watch=1"),
            "/api/v1/pods?limit=5&watch=1&labelSelector=x%3Dy%2Ca%2Fb%3Dc"
        );
        assert_eq!(
            narrow("fieldSelector", "metadata.name=n", "/api/v1/namespaces"),
            "/api/v1/namespaces?fieldSelector=metadata.name%3Dn"
        );
    }

    #[test]
    fn rules_are_written_in_yaml() {
        let text = "
- when: { verb: watch, resource: pods }
  then: { freeze: { events: 2 } }
- when: { writes: true }
  times: { nth: 3 }
  then: { crash: committed }
- then: { answer: { status: 429, reason: TooManyRequests, retryAfterSeconds: 2 } }
";
        let rules = read(text).unwrap();
        assert_eq!(rules[0].then, Fault::Freeze { events: 2 });
        assert_eq!((rules[1].times, &rules[1].then), (Times::Nth(3), &Fault::Crash(Moment::Committed)));
        assert!(matches!(&rules[2].then, Fault::Answer(reply) if reply.retry_after_seconds == Some(2)));
        assert!(read("- when: { verbs: watch }\n  then: refuse").is_err());
    }
}
