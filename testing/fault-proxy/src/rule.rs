//! Which requests are broken, and how.

use http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::request::{Asked, query};

/// Breaks the requests that it matches.
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
/// It is no YAML, or says something that no rule has.
pub fn read(text: &str) -> Result<Vec<Rule>, serde_yaml::Error> {
    // By way of JSON, where the variants of a choice are keys and not tags.
    let value: Value = serde_yaml::from_str(text)?;
    serde_json::from_value(value).map_err(serde::de::Error::custom)
}

/// What a request has to be; what is not said may be anything.
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
    /// Every write.
    #[must_use]
    pub fn writes() -> Self {
        Self { writes: true, ..Self::default() }
    }

    /// One verb on one kind.
    #[must_use]
    pub fn of(verb: &str, resource: &str) -> Self {
        Self { verb: Some(verb.to_owned()), resource: Some(resource.to_owned()), ..Self::default() }
    }

    /// The same, of one namespace only.
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

/// Shows a client only part of what a list or a watch would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrow {
    pub when: When,
    /// `labelSelector` or `fieldSelector`.
    pub parameter: &'static str,
    pub selector: String,
}

impl Narrow {
    /// The URL with the selector, beside one that is there.
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

/// Which of the requests that match, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Times {
    #[default]
    Every,
    Nth(u64),
    First(u64),
    /// So many, from this one on.
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

/// When a process dies, seen from one of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Moment {
    /// The request never reaches the API server.
    Before,
    /// It was carried out; the reply is lost.
    Committed,
    /// The reply arrived; nothing after it does.
    Replied,
}

/// What happens to a request, or to its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// Forwarded later.
    Delay { millis: u64 },
    /// The connection is closed; nothing is forwarded.
    Refuse,
    /// Carried out, and the connection is closed instead of an answer.
    LoseReply,
    /// Neither forwarded nor answered; the connection stays open.
    Hang,
    /// Answered here; nothing is forwarded.
    Answer(Reply),
    /// Carried out, and this is the answer instead of its own: a 504 after a commit.
    AnswerAfter(Reply),
    /// The body ends after so many bytes, with the connection.
    Truncate { bytes: u64 },
    /// The body comes so fast and no faster.
    Throttle { bytes_per_second: u64 },
    /// A watch says nothing after so many events; its connection stays open.
    Freeze { events: u64 },
    /// A watch ends well after so many events.
    End { events: u64 },
    /// A watch ends well after so long.
    Close { millis: u64 },
    /// One event of a watch never comes.
    Skip { event: u64 },
    /// One event of a watch comes twice.
    Repeat { event: u64 },
    /// One event of a watch, and all after it, come later.
    Late { event: u64, millis: u64 },
    /// Before this event of a watch comes one that nobody sent: an ERROR 410, a BOOKMARK, a broken object.
    Insert { event: u64, line: Value },
    /// Before the body of an event is passed on, the value at this pointer is replaced.
    Garble { event: u64, pointer: String, value: Value },
    /// The oldest answer to a list of this URL that went through here, instead of a new one.
    Replay,
    /// The process dies for the API server: from this moment on nothing of its connections comes through, until
    /// [`crate::Proxy::revive`].
    Crash(Moment),
}

/// An answer of the API server's shape.
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
