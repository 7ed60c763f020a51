//! Parses one YAML document as kubectl does: with the grammar of libyaml, then the interpretation
//! of goyaml.

use std::{
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use libyaml_safer::{Event, EventData, MappingStyle, Parser, ScalarStyle, SequenceStyle};
use serde_json::{Map, Value};

use super::{
    Document, Repeated, SyntaxError,
    places::{Place, Places},
    scalar::{self, Scalar},
};
use crate::workload::json::{child, item};

/// Deeper than any resource, and far from a stack overflow.
const DEEPEST: usize = 256;
/// The limits of goyaml for the expansion of aliases.
const FEW_ALIASED: usize = 100;
const FEW_NODES: usize = 1000;

/// A value as it is written in the text.
struct Node {
    content: Content,
    place: Place,
}

enum Content {
    Scalar {
        text: String,
        tag: String,
        plain: bool,
    },
    List(Vec<Rc<Node>>),
    Mapping(Vec<(Rc<Node>, Rc<Node>)>),
    /// The node that an alias refers to.
    Alias(Rc<Node>),
}

/// Returns the first document of a text that begins after `before` lines of its file, or `None` if
/// it is empty.
///
/// # Errors
/// Returns the position of text that kubectl cannot parse either.
pub fn document(text: &str, before: usize) -> Result<Option<Document>, SyntaxError> {
    let mut bytes = text.as_bytes();
    let mut parser = Parser::new();
    parser.set_input_string(&mut bytes);
    let last = Place { line: before + 1, column: 1 };
    let mut composer =
        Composer { parser, before, anchors: HashMap::new(), open: HashSet::new(), flow: 0, last };
    let Some(root) = composer.root()? else { return Ok(None) };
    let mut builder = Builder { places: Places::new(root.place), repeated: Vec::new(), nodes: 0, aliased: 0 };
    let value = builder.value(&root, "", false)?;
    let Builder { places, repeated, .. } = builder;
    Ok((!value.is_null()).then_some(Document { value, places, repeated }))
}

struct Composer<'b, 'r> {
    parser: Parser<&'b mut &'r [u8]>,
    before: usize,
    anchors: HashMap<String, Rc<Node>>,
    /// Anchors whose values are being parsed.
    open: HashSet<String>,
    /// The number of open `[` and `{`.
    flow: usize,
    /// The position at which the last event ended.
    last: Place,
}

impl Composer<'_, '_> {
    fn root(&mut self) -> Result<Option<Rc<Node>>, SyntaxError> {
        loop {
            let event = self.next()?;
            match event.data {
                EventData::StreamStart { .. } => {}
                // Text after the end of the document is ignored, as in kubectl.
                EventData::DocumentStart { .. } => {
                    let event = self.next()?;
                    return self.node(event, 0).map(Some);
                }
                _ => return Ok(None),
            }
        }
    }

    fn next(&mut self) -> Result<Event, SyntaxError> {
        // The parser panics at a tag that ends at a comma inside `[` or `{`. goyaml rejects such a
        // tag everywhere.
        let parsed = catch_unwind(AssertUnwindSafe(|| self.parser.parse())).map_err(|_| SyntaxError {
            place: self.last,
            message: "while scanning a tag: did not find expected whitespace or line break".to_owned(),
        })?;
        let event = parsed.map_err(|error| {
            let place = error.problem_mark().map_or(Place { line: self.before + 1, column: 1 }, |mark| {
                self.place(mark.line, mark.column)
            });
            let context = error.context().map(|it| format!("{it}: ")).unwrap_or_default();
            SyntaxError { place, message: format!("{context}{}", error.problem()) }
        })?;
        self.last = self.place(event.end_mark.line, event.end_mark.column);
        Ok(event)
    }

    fn place(&self, line: u64, column: u64) -> Place {
        let from_one = |number: u64| usize::try_from(number).unwrap_or_default() + 1;
        Place { line: self.before + from_one(line), column: from_one(column) }
    }

    fn node(&mut self, event: Event, depth: usize) -> Result<Rc<Node>, SyntaxError> {
        let place = self.place(event.start_mark.line, event.start_mark.column);
        let failed = |message: String| SyntaxError { place, message };
        if depth > DEEPEST {
            return Err(failed(format!("the document is nested more than {DEEPEST} levels deep")));
        }
        let (anchor, content) = match event.data {
            EventData::Alias { anchor } => {
                if self.open.contains(&anchor) {
                    return Err(failed(format!("the value of anchor '{anchor}' contains itself")));
                }
                let target = self.anchors.get(&anchor).cloned();
                let target = target.ok_or_else(|| failed(format!("there is no anchor '{anchor}' above")))?;
                (None, Content::Alias(target))
            }
            EventData::Scalar { anchor, tag, value, plain_implicit, style, .. } => {
                // goyaml ends such a text at the question mark and expects a comma after it.
                if self.flow > 0 && style == ScalarStyle::Plain && value.contains('?') {
                    return Err(failed(format!(
                        "within [ ] or {{ }} a text with '?' needs quotes: '{value}'"
                    )));
                }
                let tag = tag.unwrap_or_default();
                (anchor, Content::Scalar { text: value, tag, plain: plain_implicit })
            }
            EventData::SequenceStart { anchor, style, .. } => {
                self.open.extend(anchor.clone());
                self.flow += usize::from(style == SequenceStyle::Flow);
                let mut items = Vec::new();
                while let Some(event) = self.unless_end()? {
                    items.push(self.node(event, depth + 1)?);
                }
                self.flow -= usize::from(style == SequenceStyle::Flow);
                (anchor, Content::List(items))
            }
            EventData::MappingStart { anchor, style, .. } => {
                self.open.extend(anchor.clone());
                self.flow += usize::from(style == MappingStyle::Flow);
                let mut fields = Vec::new();
                while let Some(event) = self.unless_end()? {
                    let key = self.node(event, depth + 1)?;
                    let event = self.next()?;
                    fields.push((key, self.node(event, depth + 1)?));
                }
                self.flow -= usize::from(style == MappingStyle::Flow);
                (anchor, Content::Mapping(fields))
            }
            _ => return Err(failed("expected a value".to_owned())),
        };
        let node = Rc::new(Node { content, place });
        if let Some(anchor) = anchor {
            self.open.remove(&anchor);
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(node)
    }

    fn unless_end(&mut self) -> Result<Option<Event>, SyntaxError> {
        let event = self.next()?;
        let ended = matches!(event.data, EventData::SequenceEnd | EventData::MappingEnd);
        Ok((!ended).then_some(event))
    }
}

struct Builder {
    places: Places,
    repeated: Vec<Repeated>,
    nodes: usize,
    aliased: usize,
}

impl Builder {
    fn value(&mut self, node: &Node, path: &str, aliased: bool) -> Result<Value, SyntaxError> {
        self.count(node, aliased)?;
        match &node.content {
            Content::Alias(target) => self.value(target, path, true),
            Content::Scalar { text, tag, plain } => {
                self.places.add(path, node.place);
                scalar::resolve(Scalar { text, tag, plain: *plain })
                    .map_err(|message| SyntaxError { place: node.place, message })
            }
            Content::List(items) => {
                self.places.add(path, node.place);
                let values =
                    items.iter().enumerate().map(|(index, it)| self.value(it, &item(path, index), aliased));
                values.collect::<Result<_, _>>().map(Value::Array)
            }
            Content::Mapping(fields) => {
                self.places.add(path, node.place);
                let mut object = Map::new();
                self.fields(fields, path, aliased, &mut object)?;
                Ok(Value::Object(object))
            }
        }
    }

    /// Merges in the order of the text, as goyaml does: `<<` replaces the values before it.
    fn fields(
        &mut self,
        fields: &[(Rc<Node>, Rc<Node>)],
        path: &str,
        aliased: bool,
        object: &mut Map<String, Value>,
    ) -> Result<(), SyntaxError> {
        let mut given = HashSet::new();
        for (key, node) in fields {
            if is_merge(key) {
                self.merge(node, path, object)?;
                continue;
            }
            self.count(key, aliased)?;
            let name = match &resolved(key).content {
                Content::Scalar { text, tag, plain } => {
                    scalar::resolve(Scalar { text, tag, plain: *plain }).and_then(|key| scalar::key(&key))
                }
                Content::List(_) | Content::Mapping(_) | Content::Alias(_) => {
                    Err("a key must be text, not a list or a mapping".to_owned())
                }
            };
            let name = name.map_err(|message| SyntaxError { place: key.place, message })?;
            let path = child(path, &name);
            let value = self.value(node, &path, aliased)?;
            // The position of a field is that of its key, which is what readers look for.
            self.places.add(&path, key.place);
            if !given.insert(name.clone()) {
                self.repeated.push(Repeated { path, place: key.place });
            }
            object.insert(name, value);
        }
        Ok(())
    }

    fn merge(&mut self, node: &Node, path: &str, object: &mut Map<String, Value>) -> Result<(), SyntaxError> {
        let unmergeable =
            |place| SyntaxError { place, message: "'<<' needs a mapping or a list of mappings".to_owned() };
        match &node.content {
            // The first of several values takes precedence.
            Content::List(items) => {
                for node in items.iter().rev() {
                    let Content::Mapping(fields) = &resolved(node).content else {
                        return Err(unmergeable(node.place));
                    };
                    self.fields(fields, path, true, object)?;
                }
                Ok(())
            }
            _ => match &resolved(node).content {
                Content::Mapping(fields) => self.fields(fields, path, true, object),
                _ => Err(unmergeable(node.place)),
            },
        }
    }

    /// An alias of aliases can grow without limit.
    fn count(&mut self, node: &Node, aliased: bool) -> Result<(), SyntaxError> {
        self.nodes += 1;
        self.aliased += usize::from(aliased);
        // As in goyaml, 99% of a small document may come from aliases.
        if self.aliased > FEW_ALIASED && self.nodes > FEW_NODES && self.aliased > self.nodes / 100 * 99 {
            let message = "the document contains excessive aliasing".to_owned();
            return Err(SyntaxError { place: node.place, message });
        }
        Ok(())
    }
}

fn resolved(node: &Node) -> &Node {
    match &node.content {
        Content::Alias(target) => resolved(target),
        _ => node,
    }
}

fn is_merge(key: &Node) -> bool {
    match &key.content {
        Content::Scalar { text, tag, plain } => text == "<<" && (*plain || tag == "tag:yaml.org,2002:merge"),
        _ => false,
    }
}
