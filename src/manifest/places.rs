//! Positions of fields in a file.

use std::collections::HashMap;

/// A position in a text. Both numbers start at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// The positions of the fields of a document, by path.
#[derive(Clone, Debug)]
pub struct Places {
    start: Place,
    fields: HashMap<String, (String, Place)>,
}

impl Places {
    pub(super) fn new(start: Place) -> Self {
        Self { start, fields: HashMap::new() }
    }

    pub(super) fn add(&mut self, path: &str, place: Place) {
        self.fields.insert(plain_path(path), (path.to_owned(), place));
    }

    /// Returns the position of the field or, if it is missing, that of its nearest parent.
    #[must_use]
    pub fn of(&self, path: &str) -> Place {
        let mut plain = plain_path(path);
        loop {
            if let Some((_, place)) = self.fields.get(&plain) {
                return *place;
            }
            match plain.rfind('.') {
                Some(end) => plain.truncate(end),
                None => return self.start,
            }
        }
    }

    /// Returns the positions of the fields below one, by their relative paths.
    pub(super) fn below(&self, path: &str) -> Self {
        let prefix = format!("{}.", plain_path(path));
        let fields = self.fields.iter().filter_map(|(plain, (pretty, place))| {
            let plain = plain.strip_prefix(&prefix)?;
            let pretty = pretty.strip_prefix(path)?.trim_start_matches('.');
            Some((plain.to_owned(), (pretty.to_owned(), *place)))
        });
        Self { start: self.of(path), fields: fields.collect() }
    }

    /// The position at which the document begins.
    #[must_use]
    pub fn start(&self) -> Place {
        self.start
    }

    /// Returns the path as it is written in this document, from any notation.
    #[must_use]
    pub fn pretty(&self, path: &str) -> String {
        self.fields.get(&plain_path(path)).map_or_else(|| path.to_owned(), |(pretty, _)| pretty.clone())
    }
}

/// Converts a path to one notation for comparisons. The API server writes `components.[rest]` if a
/// rule points below a map and `components[rest]` otherwise. Other sources write `components.rest`.
#[must_use]
pub fn plain_path(path: &str) -> String {
    path.trim_start_matches('.').replace(".[", ".").replace('[', ".").replace([']', '\''], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_all_notations_are_one() {
        for path in
            ["spec.components.[all].env[0]", "spec.components[all].env[0]", ".spec.components.all.env.0"]
        {
            assert_eq!(plain_path(path), "spec.components.all.env.0");
        }
    }

    #[test]
    fn a_missing_field_is_at_the_one_above() {
        let mut places = Places::new(Place { line: 1, column: 1 });
        places.add("spec", Place { line: 4, column: 1 });
        assert_eq!(places.of("spec.image"), Place { line: 4, column: 1 });
        assert_eq!(places.of("metadata.name"), Place { line: 1, column: 1 });
    }
}
