//! The same for ServiceStacks: the table in `stack_rows.yaml`, by the definition's schema and rules, and
//! by the operator's own checks where those cannot decide.

use std::{collections::BTreeSet, sync::LazyLock};

use logpilot_operator::{
    api,
    manifest::plain_path,
    stack::{self, api::ServiceStack, resolve::resolve},
};

use super::{
    offline::{self, Judge, Refusal},
    table::{Layer, Row, stack_rows, valid_stacks},
};

static BAD: LazyLock<Vec<(Row, Vec<Refusal>)>> = LazyLock::new(|| {
    let judge = Judge::of_stacks();
    let refusals = |row: &Row| judge.refusals(&row.object(Row::NAME), row.existing(Row::NAME).as_ref());
    stack_rows().into_iter().map(|row| (row.clone(), refusals(&row))).collect()
});

fn decoded(judge: &Judge, row: &Row) -> Result<ServiceStack, String> {
    serde_json::from_value(judge.stored(&row.object(Row::NAME))).map_err(|error| error.to_string())
}

/// Returns the operator's violations for a row: paths and messages.
fn violations(judge: &Judge, row: &Row) -> Vec<(String, String)> {
    match decoded(judge, row) {
        Err(error) => vec![(String::new(), error)],
        Ok(stack) => {
            let found = resolve(&stack).err().unwrap_or_default();
            found.into_iter().map(|it| (it.path, it.message)).collect()
        }
    }
}

#[test]
fn bad_stacks_are_refused_with_words_that_help() {
    let judge = Judge::of_stacks();
    let mut wrong = Vec::new();
    for (row, found) in BAD.iter() {
        let has_words = |message: &str| row.words.iter().all(|word| message.contains(word));
        let (path, label) = (plain_path(&row.path), row.label());
        if row.layer == Layer::Operator {
            let said = if found.is_empty() { violations(&judge, row) } else { Vec::new() };
            if !said.iter().any(|(at, message)| *at == row.path && has_words(message)) {
                wrong.push(format!("{label}: the operator says {said:?}, the API server {found:#?}"));
            }
        } else if !found.iter().any(|it| {
            it.layer == row.layer && it.path == path && (row.layer != Layer::Cel || has_words(&it.message))
        }) {
            wrong.push(format!(
                "{label}: want {:?} at {path} with {:?}, found {found:#?}",
                row.layer, row.words
            ));
        }
    }
    println!("bad stacks: {}", BAD.len());
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn bad_stacks_are_refused_at_one_place() {
    let places = |found: &[Refusal]| found.iter().map(|it| it.path.clone()).collect::<BTreeSet<_>>().len();
    let noisy: Vec<_> = BAD
        .iter()
        .filter(|(_, found)| places(found) > 1)
        .map(|(row, found)| format!("{}: {found:#?}", row.label()))
        .collect();
    assert!(noisy.is_empty(), "{} rows:\n{}", noisy.len(), noisy.join("\n"));
}

#[test]
fn good_stacks_are_accepted() {
    let judge = Judge::of_stacks();
    for row in valid_stacks() {
        let found = judge.refusals(&row.object(Row::NAME), None);
        assert!(found.is_empty(), "{}: {found:#?}", row.label());
        let decoded = decoded(&judge, &row);
        assert!(decoded.is_ok(), "{}: {decoded:?}", row.label());
    }
}

/// The rules that `LogPilotCluster` has too are met by its own table.
#[test]
fn every_rule_of_stacks_refuses_some_row() {
    let texts = |definition: &_| -> BTreeSet<String> {
        offline::places(definition).into_iter().map(|place| place.rule).collect()
    };
    let own: Vec<String> = texts(&stack::api::crd()).difference(&texts(&api::crd())).cloned().collect();
    let met: BTreeSet<&String> =
        BAD.iter().flat_map(|(_, found)| found).filter_map(|it| it.rule.as_ref()).collect();
    let missed: Vec<_> = own.iter().filter(|rule| !met.contains(rule)).collect();
    println!("rules of stacks alone: {}", own.len());
    assert!(missed.is_empty(), "{} rules without a row: {missed:#?}", missed.len());
}
