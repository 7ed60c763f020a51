//! Field ownership: the part of server-side apply that planned objects need.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// The steps of a path as managedFields writes them: `f:name`, `k:{…}`, and `.` for an item itself.
pub type Path = Vec<String>;
pub type Leaves = BTreeMap<Path, Value>;
/// Manager, operation and subresource of an entry.
pub type Manager = (String, &'static str, &'static str);

/// Fields that are owned as a whole.
const ATOMIC: [&str; 7] = [
    "selector",
    "labelSelector",
    "nodeSelector",
    "secretKeyRef",
    "configMapKeyRef",
    "fieldRef",
    "resourceFieldRef",
];
/// Fields that the server sets, and fields that identify the object.
const IDENTITY: [&str; 6] =
    ["name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp"];

/// An object and the owners of its fields.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    pub body: Value,
    pub owners: BTreeMap<Manager, BTreeSet<Path>>,
}

/// The reason why an apply is rejected.
#[derive(Debug)]
pub enum Refusal {
    /// Other managers own these fields, with other values.
    Conflict(Vec<Path>),
    Duplicate(String),
}

impl Stored {
    pub fn owned(&self, manager: &Manager) -> Leaves {
        let paths = self.owners.get(manager);
        let all = leaves(&self.body).unwrap_or_default();
        all.into_iter().filter(|(path, _)| paths.is_some_and(|paths| paths.contains(path))).collect()
    }

    /// Returns the object as the API server does.
    pub fn json(&self) -> Value {
        let entry = |((manager, operation, subresource), paths): (&Manager, &BTreeSet<Path>)| {
            json!({
                "manager": manager, "operation": operation, "subresource": subresource, "fieldsType": "FieldsV1",
                "fieldsV1": written(paths),
            })
        };
        let mut live = self.body.clone();
        let entries = self.owners.iter().filter(|(_, paths)| !paths.is_empty()).map(entry);
        live["metadata"]["managedFields"] = entries.collect();
        live
    }

    /// Performs a server-side apply.
    pub fn apply(&mut self, body: &Value, manager: &Manager, force: bool) -> Result<(), Refusal> {
        let wanted = leaves(body)?;
        let live = leaves(&self.body)?;
        let theirs =
            |path: &Path| self.owners.iter().any(|(other, paths)| other != manager && paths.contains(path));
        let lost: Vec<Path> = wanted
            .iter()
            .filter(|(path, value)| theirs(path) && live.get(*path) != Some(value))
            .map(|(path, _)| path.clone())
            .collect();
        if !force && !lost.is_empty() {
            return Err(Refusal::Conflict(lost));
        }
        let before = self.owners.remove(manager).unwrap_or_default();
        for paths in self.owners.values_mut() {
            paths.retain(|path| !lost.contains(path));
        }
        let others: BTreeSet<&Path> = self.owners.values().flatten().collect();
        for path in before.iter().filter(|path| !wanted.contains_key(*path)) {
            let item = path.last().is_some_and(|step| step == ".");
            let prefix: &[String] = if item { &path[..path.len() - 1] } else { path };
            if !others.iter().any(|other| other.starts_with(prefix)) {
                remove(&mut self.body, prefix);
            }
        }
        merge(&mut self.body, body, "");
        self.owners.insert(manager.clone(), wanted.into_keys().collect());
        Ok(())
    }

    /// Performs a plain write by another client, which then owns the changed fields.
    pub fn update(&mut self, manager: &Manager, change: impl FnOnce(&mut Value)) {
        let before = leaves(&self.body).unwrap_or_default();
        change(&mut self.body);
        let after = leaves(&self.body).unwrap_or_default();
        let changed: BTreeSet<Path> = after
            .iter()
            .filter(|(path, value)| before.get(*path) != Some(value))
            .map(|(path, _)| path.clone())
            .collect();
        for paths in self.owners.values_mut() {
            paths.retain(|path| after.contains_key(path) && !changed.contains(path));
        }
        self.owners.entry(manager.clone()).or_default().extend(changed);
    }
}

impl From<String> for Refusal {
    fn from(duplicate: String) -> Self {
        Self::Duplicate(duplicate)
    }
}

/// Returns every value that is owned individually, except the identifying fields.
pub fn leaves(object: &Value) -> Result<Leaves, String> {
    let mut body = object.clone();
    if let Some(fields) = body.as_object_mut() {
        for aside in ["apiVersion", "kind", "status"] {
            fields.remove(aside);
        }
        if let Some(meta) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.retain(|name, _| !IDENTITY.contains(&name.as_str()) && name != "managedFields");
        }
    }
    let mut found = Leaves::new();
    collect(&body, "", &mut Vec::new(), &mut found)?;
    Ok(found)
}

fn collect(value: &Value, name: &str, path: &mut Path, found: &mut Leaves) -> Result<(), String> {
    match value {
        Value::Object(fields) if !fields.is_empty() && !ATOMIC.contains(&name) => {
            for (name, below) in fields {
                path.push(format!("f:{name}"));
                collect(below, name, path, found)?;
                path.pop();
            }
        }
        Value::Array(items) if is_map(name, items) => {
            for item in items {
                path.push(step(name, item));
                path.push(".".into());
                if found.insert(path.clone(), Value::Null).is_some() {
                    return Err(format!("duplicate entries for key {path:?}"));
                }
                path.pop();
                collect(item, "", path, found)?;
                path.pop();
            }
        }
        other => {
            found.insert(path.clone(), other.clone());
        }
    }
    Ok(())
}

/// Returns the keys that identify the items of a list; empty if the list is owned as a whole.
fn keys(list: &str, item: &Value) -> &'static [&'static str] {
    match list {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" | "listeners" => &["name"],
        "volumeMounts" => &["mountPath"],
        "ownerReferences" => &["uid"],
        "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
        "ports" if item.get("containerPort").is_some() => &["containerPort", "protocol"],
        "ports" => &["port", "protocol"],
        _ => &[],
    }
}

fn is_map(list: &str, items: &[Value]) -> bool {
    !items.is_empty() && items.iter().all(|item| item.is_object() && !keys(list, item).is_empty())
}

fn step(list: &str, item: &Value) -> String {
    let keys: Map<String, Value> =
        keys(list, item).iter().map(|key| ((*key).to_owned(), item[*key].clone())).collect();
    format!("k:{}", Value::Object(keys))
}

fn written(paths: &BTreeSet<Path>) -> Value {
    let mut root = json!({});
    for path in paths {
        let mut at = &mut root;
        for step in path {
            at = &mut at[step.as_str()];
            if at.is_null() {
                *at = json!({});
            }
        }
    }
    root
}

/// Removes a field, and its parents if they become empty.
fn remove(value: &mut Value, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    if let (Some(name), Some(fields)) = (first.strip_prefix("f:"), value.as_object_mut()) {
        let Some(below) = fields.get_mut(name) else { return };
        let mut empty = rest.is_empty();
        if !empty {
            remove(below, rest);
            empty =
                below.as_object().is_some_and(Map::is_empty) || below.as_array().is_some_and(Vec::is_empty);
        }
        if empty {
            fields.remove(name);
        }
    } else if let (Some(keys), Some(items)) = (first.strip_prefix("k:"), value.as_array_mut()) {
        let keys: Map<String, Value> = serde_json::from_str(keys).expect("our own step");
        let named = |item: &Value| keys.iter().all(|(name, value)| &item[name] == value);
        if rest.is_empty() {
            items.retain(|item| !named(item));
        } else if let Some(item) = items.iter_mut().find(|item| named(item)) {
            remove(item, rest);
        }
    }
}

fn merge(live: &mut Value, body: &Value, name: &str) {
    match (&mut *live, body) {
        (Value::Object(live), Value::Object(body)) if !body.is_empty() && !ATOMIC.contains(&name) => {
            for (name, value) in body {
                merge(live.entry(name.clone()).or_insert(Value::Null), value, name);
            }
        }
        (Value::Null, Value::Object(body)) if !body.is_empty() => {
            *live = json!({});
            merge(live, &Value::Object(body.clone()), name);
        }
        (Value::Array(old), Value::Array(new)) if is_map(name, new) && is_map(name, old) => {
            // Applied items come first, in the order in which they are applied; items of other
            // managers follow.
            let mut merged = Vec::new();
            for item in new {
                let at = old.iter().position(|known| step(name, known) == step(name, item));
                let mut known = at.map_or(Value::Null, |at| old.remove(at));
                merge(&mut known, item, "");
                merged.push(known);
            }
            merged.append(old);
            *old = merged;
        }
        _ => *live = body.clone(),
    }
}
