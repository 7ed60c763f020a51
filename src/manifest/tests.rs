use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::json;

use super::*;

proptest! {
    #![proptest_config(test_support::proptest_config(256))]

    /// Any bytes get an answer.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
        let _ = read(&bytes);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-a-c0-9 :?,#&*!|>'\"%@`{}\\[\\]<~.\\n\\t]{0,60}") {
        for document in read(text.as_bytes()).unwrap_or_default() {
            prop_assert!(document.places.start().line >= 1);
        }
    }
}

fn one(text: &str) -> Document {
    let mut found = read(text.as_bytes()).unwrap();
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn refused(text: &str) -> SyntaxError {
    read(text.as_bytes()).unwrap_err()
}

#[test]
fn fields_have_lines_and_columns() {
    let document = one("# a comment\nspec:\n  env:\n  - name: A\n    value: 'x'\n");
    let place = |path| {
        let place = document.places.of(path);
        (place.line, place.column)
    };
    assert_eq!(place("spec"), (2, 1));
    assert_eq!(place("spec.env"), (3, 3));
    assert_eq!(place("spec.env[0]"), (4, 5));
    assert_eq!(place("spec.env.0.value"), (5, 5));
    assert_eq!(place("spec.env[0].missing"), (4, 5));
}

#[test]
fn merges_follow_the_order_of_the_text() {
    let base = "base: &base\n  a: 1\n  b: 2\n";
    let value = |text: &str| one(&format!("{base}{text}")).value["x"].clone();
    assert_eq!(value("x:\n  <<: *base\n  b: 3\n"), json!({ "a": 1, "b": 3 }));
    // goyaml lets `<<` replace what stands before it.
    assert_eq!(value("x:\n  b: 3\n  <<: *base\n"), json!({ "a": 1, "b": 2 }));
    assert_eq!(value("x:\n  <<: [{a: 7}, *base]\n"), json!({ "a": 7, "b": 2 }));
    assert_eq!(value("x: *base\n"), json!({ "a": 1, "b": 2 }));
    assert_eq!(refused("x:\n  <<: 1\n").place.line, 2);
    assert!(refused("x: *nothing\n").message.contains("no anchor 'nothing'"));
    assert!(refused("x: &x [*x]\n").message.contains("contains itself"));
}

#[test]
fn the_line_of_a_merged_field_is_where_it_is_written() {
    let document = one("base: &base\n  a: 1\nx:\n  <<: *base\n");
    assert_eq!(document.places.of("x.a").line, 2);
}

#[test]
fn repeated_fields_are_named() {
    let document = one("a: 1\nb:\n  c: 1\n  c: 2\n");
    assert_eq!(document.value, json!({ "a": 1, "b": { "c": 2 } }));
    let [repeated] = document.repeated.as_slice() else { panic!("{document:?}") };
    assert_eq!((repeated.path.as_str(), repeated.place.line), ("b.c", 4));
}

#[test]
fn streams_are_taken_apart() {
    let found = read(b"---\n# nothing\n---\na: 1\n--- # next\nb: 2\n...\nignored\n").unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].places.of("b").line, 6);
    assert_eq!(refused("a: 1\n--- b: 2\n").place, Place { line: 2, column: 1 });
    assert!(read(b"").unwrap().is_empty());
    assert!(read(b"---\n---\n# only this\n").unwrap().is_empty());
}

#[test]
fn lists_are_taken_apart() {
    let list = "kind: List\nitems:\n- kind: A\n  spec:\n    x: 1\n    x: 2\n- kind: B\n";
    let found = read(list.as_bytes()).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].places.of("spec.x").line, 6);
    assert_eq!(found[0].repeated[0].path, "spec.x");
    assert_eq!(found[1].value["kind"], "B");
    assert_eq!(read(b"kind: list\nitems:\n- kind: A\n- kind: B\n").unwrap().len(), 2);
    let of_ours = one("apiVersion: a/v1\nkind: AList\nitems:\n- metadata: {name: a}\n").value;
    assert_eq!((&of_ours["kind"], &of_ours["apiVersion"]), (&json!("A"), &json!("a/v1")));
}

#[test]
fn json_is_read_as_json() {
    let found = read(b"{\"a\": 1.0,\n \"on\": \"yes\"} {\"a\": 2}").unwrap();
    assert_eq!(found[0].value, json!({ "a": 1, "on": "yes" }));
    assert_eq!(found[0].places.of("on").line, 2);
    assert_eq!(found[1].value, json!({ "a": 2 }));
    let escaped = one("{\"a\\/b\": {\"c\": \"\\\\/\"},\n \"d\": \"x\\/y\"}");
    assert_eq!(escaped.value, json!({ "a/b": { "c": "\\/" }, "d": "x/y" }));
    assert_eq!(escaped.places.of("d").line, 2);
    assert_eq!(refused("{\"a\": 1,\n \"b\": 1e400}").place.line, 2);
    // A document that is not JSON is YAML.
    assert_eq!(one("{a: yes}").value, json!({ "a": true }));
    assert_eq!(read(b"{\"a\": 1}\n---\nb: 2\n").unwrap().len(), 2);
}

#[test]
fn byte_order_marks_are_no_text() {
    for bytes in [b"\xEF\xBB\xBFa: 1".as_slice(), b"\xFF\xFEa\0:\0 \x001\0", b"\xFE\xFF\0a\0:\0 \x001"] {
        assert_eq!(read(bytes).unwrap()[0].value, json!({ "a": 1 }));
    }
}

#[test]
fn what_cannot_be_read_has_a_place() {
    let error = refused("a: 1\nb: [1, 2\nc: 3\n");
    assert!(error.place.line >= 2, "{error}");
    assert_eq!(refused("a:\n\tb: 1\n").place.line, 2);
    for text in ["a:\n- [!,b]\n", "a:\n- {!x,b}\n", "a:\n- [!!int,b]\n", "a:\n- [!<t>,b]\n"] {
        let error = refused(text);
        assert_eq!((error.place.line, error.message.contains("scanning a tag")), (2, true), "{error:?}");
    }
    assert_eq!(refused("a: .inf\n").place, Place { line: 1, column: 4 });
    let deep = "[".repeat(300);
    assert!(refused(&deep).message.contains("levels deep"));
}

#[test]
fn aliases_cannot_grow_without_bound() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let below = format!("*a{}, ", level - 1).repeat(9);
        writeln!(text, "a{level}: &a{level} [{below}]").unwrap();
    }
    assert!(refused(&text).message.contains("aliasing"));
}
