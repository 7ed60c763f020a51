//! Parses manifests as kubectl does, and returns documents with the positions of their fields. Uses
//! no files and no client.

pub mod places;
mod scalar;
mod yaml;

use std::borrow::Cow;

use serde_json::Value;

use crate::workload::json::item;
pub use places::{Place, Places, plain_path};

/// One object of a manifest.
#[derive(Clone, Debug)]
pub struct Document {
    pub value: Value,
    pub places: Places,
    /// Fields that occur more than once.
    pub repeated: Vec<Repeated>,
}

/// A field that also occurs above, with the same or another value. kubectl uses the last one.
#[derive(Clone, Debug)]
pub struct Repeated {
    pub path: String,
    pub place: Place,
}

/// An error for text that kubectl cannot parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}: {message}", .place.line, .place.column)]
pub struct SyntaxError {
    pub place: Place,
    pub message: String,
}

/// Returns all objects of a manifest. Lists are split, and empty documents are omitted.
///
/// # Errors
/// Returns the position of text that kubectl cannot parse either.
pub fn read(bytes: &[u8]) -> Result<Vec<Document>, SyntaxError> {
    let text = decode(bytes);
    let mut documents = Vec::new();
    let (mut rest, mut before) = (text.as_str(), 0);
    // A stream of JSON objects needs no separator. From the first item that is not JSON, the rest
    // is YAML.
    while rest.trim_start().starts_with('{') {
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let value = match stream.next() {
            Some(Ok(value)) => value,
            // It is JSON nevertheless. YAML would treat such a number as text.
            Some(Err(error)) if error.to_string().starts_with("number out of range") => {
                let place = Place { line: before + error.line(), column: error.column() };
                return Err(SyntaxError { place, message: "a number must fit into 64 bits".to_owned() });
            }
            _ => break,
        };
        let (object, remaining) = rest.split_at(stream.byte_offset());
        documents.push(of_json(object, before, value));
        before += object.matches('\n').count();
        rest = remaining;
    }
    for (text, before) in split(rest, before)? {
        documents.extend(yaml::document(&text, before)?);
    }
    Ok(documents.into_iter().flat_map(items).collect())
}

/// Decodes UTF-8 unless a byte-order mark says otherwise. The mark is not part of the text.
fn decode(bytes: &[u8]) -> String {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().copied().map(unit).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xFF, 0xFE, text @ ..] => wide(text, u16::from_le_bytes),
        [0xFE, 0xFF, text @ ..] => wide(text, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, text @ ..] | text => String::from_utf8_lossy(text).into_owned(),
    }
}

/// Values are those of JSON. Positions are those of the same text parsed as YAML, which JSON nearly
/// always is.
fn of_json(text: &str, before: usize, value: Value) -> Document {
    let value = with_whole_numbers(value);
    match yaml::document(&with_plain_slashes(text), before) {
        Ok(Some(document)) => Document { value, ..document },
        _ => Document {
            value,
            places: Places::new(Place { line: before + 1, column: 1 }),
            repeated: Vec::new(),
        },
    }
}

/// JSON allows an escaped slash, and YAML 1.1 does not.
fn with_plain_slashes(text: &str) -> Cow<'_, str> {
    if !text.contains("\\/") {
        return text.into();
    }
    let (mut plain, mut chars) = (String::with_capacity(text.len()), text.chars());
    while let Some(char) = chars.next() {
        match (char, chars.clone().next()) {
            ('\\', Some('/')) => {}
            ('\\', Some(escaped)) => {
                plain.extend([char, escaped]);
                chars.next();
            }
            _ => plain.push(char),
        }
    }
    plain.into()
}

/// kubectl converts `1.0` to `1` before it sends the object.
fn with_whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            number.as_f64().and_then(scalar::whole).map_or(Value::Number(number), Value::Number)
        }
        Value::Array(items) => items.into_iter().map(with_whole_numbers).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, with_whole_numbers(value))).collect()
        }
        other => other,
    }
}

/// Returns the documents between lines that begin with `---`, each with the number of lines above
/// it.
fn split(text: &str, before: usize) -> Result<Vec<(String, usize)>, SyntaxError> {
    let mut documents = vec![(String::new(), before)];
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if let Some(after) = line.strip_prefix("---") {
            let after = after.trim();
            if !after.is_empty() && !after.starts_with('#') {
                let place = Place { line: before + number + 1, column: 1 };
                let message = format!("only a comment may follow '---' on its line, not '{after}'");
                return Err(SyntaxError { place, message });
            }
            documents.push((String::new(), before + number + 1));
        } else if let Some((document, _)) = documents.last_mut() {
            document.push_str(line);
        }
    }
    Ok(documents)
}

/// Returns the objects of a list, or the object itself. As in kubectl, a list is an object with
/// `items`, and an item without a kind has the kind that its list is named after.
fn items(document: Document) -> Vec<Document> {
    let kind = document.value.get("kind").and_then(Value::as_str);
    let items = document.value.get("items").and_then(Value::as_array);
    let (Some(items), Some(kind)) = (items, kind) else { return vec![document] };
    let of_kind = kind.strip_suffix("List").unwrap_or(kind);
    let with_kind = |value: &Value| {
        let mut value = value.clone();
        let named = value.get("kind").and_then(Value::as_str).is_some_and(|kind| !kind.is_empty());
        if let Some(fields) = value.as_object_mut().filter(|_| !named && !of_kind.is_empty()) {
            fields.insert("kind".to_owned(), of_kind.into());
            fields.insert(
                "apiVersion".to_owned(),
                document.value.get("apiVersion").cloned().unwrap_or_default(),
            );
        }
        value
    };
    let of = |index| document.places.below(&item("items", index));
    let repeated = |index| {
        let prefix = item("items", index);
        let within = |it: &Repeated| {
            let path = it.path.strip_prefix(&prefix)?.trim_start_matches('.').to_owned();
            Some(Repeated { path, place: it.place })
        };
        document.repeated.iter().filter_map(within).collect()
    };
    let item = |(index, value): (usize, &Value)| Document {
        value: with_kind(value),
        places: of(index),
        repeated: repeated(index),
    };
    items.iter().enumerate().map(item).collect()
}

#[cfg(test)]
mod tests;
