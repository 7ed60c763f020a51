//! The body of a response in transit, and what a rule does to it. Watches are lines of JSON, one
//! event each.

use std::{pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use http_body_util::BodyExt;
use hyper::body::Frame;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::rule::Fault;

/// The body that the client reads. An error closes its connection.
pub type Out = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Cut>> + Send>>;

/// The error that closes a connection in the middle of a body.
#[derive(Debug, thiserror::Error)]
#[error("cut by a rule")]
pub struct Cut;

/// The result of one event.
#[derive(Debug, Default, PartialEq)]
pub struct Turn {
    pub wait: Duration,
    pub lines: Vec<Bytes>,
    pub then: Then,
}

/// How a watch continues after an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    #[default]
    On,
    /// The connection stays open, and no further event is sent.
    Silence,
    End,
}

/// Returns what a rule makes of the n-th event, counted from 1.
#[must_use]
pub fn turn(fault: Option<&Fault>, nth: u64, line: Bytes) -> Turn {
    let as_it_is = |line| Turn { lines: vec![line], ..Turn::default() };
    match fault {
        Some(Fault::Freeze { events }) if nth > *events => Turn { then: Then::Silence, ..Turn::default() },
        Some(Fault::End { events }) if nth > *events => Turn { then: Then::End, ..Turn::default() },
        Some(Fault::Skip { event }) if nth == *event => Turn::default(),
        Some(Fault::Repeat { event }) if nth == *event => {
            Turn { lines: vec![line.clone(), line], ..Turn::default() }
        }
        Some(Fault::Late { event, millis }) if nth == *event => {
            Turn { wait: Duration::from_millis(*millis), ..as_it_is(line) }
        }
        Some(Fault::Insert { event, line: inserted }) if nth == *event => {
            Turn { lines: vec![as_line(inserted), line], ..Turn::default() }
        }
        Some(Fault::Garble { event, pointer, value }) if nth == *event => {
            let Ok(mut object) = serde_json::from_slice::<Value>(&line) else { return as_it_is(line) };
            if let Some(place) = object.pointer_mut(pointer) {
                *place = value.clone();
            }
            as_it_is(as_line(&object))
        }
        _ => as_it_is(line),
    }
}

fn as_line(value: &Value) -> Bytes {
    Bytes::from(format!("{value}\n"))
}

/// Forwards a body, modified by the rule.
pub fn pass(body: kube::client::Body, fault: Option<Fault>, watch: bool) -> Out {
    let (into, mut out) = mpsc::channel::<Result<Frame<Bytes>, Cut>>(1);
    tokio::spawn(async move {
        let mut body = body;
        let mut rest = BytesMut::new();
        let (mut nth, mut passed) = (0, 0_u64);
        let closed = async {
            match &fault {
                Some(Fault::Close { millis }) => tokio::time::sleep(Duration::from_millis(*millis)).await,
                _ => std::future::pending().await,
            }
        };
        tokio::pin!(closed);
        loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                () = &mut closed => return,
            };
            let Some(Ok(frame)) = frame else { return };
            let Ok(data) = frame.into_data() else { continue };
            if watch {
                rest.extend_from_slice(&data);
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line = rest.split_to(end + 1).freeze();
                    nth += 1;
                    let turn = turn(fault.as_ref(), nth, line);
                    tokio::time::sleep(turn.wait).await;
                    for line in turn.lines {
                        if into.send(Ok(Frame::data(line))).await.is_err() {
                            return;
                        }
                    }
                    match turn.then {
                        Then::On => {}
                        Then::Silence => return into.closed().await,
                        Then::End => return,
                    }
                }
                continue;
            }
            let size = u64::try_from(data.len()).unwrap_or(u64::MAX);
            let data = match &fault {
                Some(Fault::Truncate { bytes }) if passed + size > *bytes => {
                    let left = usize::try_from(bytes - passed).unwrap_or(usize::MAX);
                    let _ = into.send(Ok(Frame::data(data.slice(..left)))).await;
                    let _ = into.send(Err(Cut)).await;
                    return;
                }
                Some(Fault::Throttle { bytes_per_second }) => {
                    let millis = size.saturating_mul(1000) / (*bytes_per_second).max(1);
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    data
                }
                _ => data,
            };
            passed += size;
            if into.send(Ok(Frame::data(data))).await.is_err() {
                return;
            }
        }
    });
    stream::poll_fn(move |context| out.poll_recv(context)).boxed()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Returns what a client sees of a watch with three events; `…` where it falls silent, `.`
    /// where it ends.
    fn seen(fault: &Fault) -> String {
        let mut text = String::new();
        for nth in 1..=3 {
            let turn = turn(Some(fault), nth, Bytes::from(format!("{{\"e\":{nth}}}\n")));
            if !turn.wait.is_zero() {
                text.push('~');
            }
            for line in turn.lines {
                text.push_str(String::from_utf8_lossy(&line).trim_end());
            }
            match turn.then {
                Then::On => {}
                Then::Silence => return text + "…",
                Then::End => return text + ".",
            }
        }
        text
    }

    #[test]
    fn each_fault_changes_only_its_event() {
        for (fault, expected) in [
            (Fault::Refuse, r#"{"e":1}{"e":2}{"e":3}"#),
            (Fault::Freeze { events: 1 }, r#"{"e":1}…"#),
            (Fault::End { events: 2 }, r#"{"e":1}{"e":2}."#),
            (Fault::Skip { event: 2 }, r#"{"e":1}{"e":3}"#),
            (Fault::Repeat { event: 2 }, r#"{"e":1}{"e":2}{"e":2}{"e":3}"#),
            (Fault::Late { event: 3, millis: 5 }, r#"{"e":1}{"e":2}~{"e":3}"#),
            (Fault::Insert { event: 1, line: json!({ "x": 0 }) }, r#"{"x":0}{"e":1}{"e":2}{"e":3}"#),
            (
                Fault::Garble { event: 2, pointer: "/e".to_owned(), value: json!("no number") },
                r#"{"e":1}{"e":"no number"}{"e":3}"#,
            ),
        ] {
            assert_eq!(seen(&fault), expected, "{fault:?}");
        }
    }
}
