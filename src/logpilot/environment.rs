//! Evaluates what a container's variables and arguments set, as the kubelet passes them to the server,
//! with references expanded. `properties` defines which properties may be set. Pure.

use std::{borrow::Cow, collections::HashMap};

use super::properties::{Known, Refusal, refusal, refused_variable};
use crate::api::component::EnvVar;

/// Variables that contain Java options, of which `-D` sets a property that takes precedence over
/// variables and the file. Other Java distributions and start scripts read the last three.
pub const JAVA_OPTIONS: &[&str] = &[
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "OPENJ9_JAVA_OPTIONS",
    "IBM_JAVA_OPTIONS",
    "JAVA_OPTS",
];

/// Placeholder for a value that is not known; it contains no blanks and no quotes.
const UNKNOWN: char = '\u{fffc}';

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    Text(Cow<'a, str>),
    /// A field of the pod or its node: a name, an address or a number.
    Plain,
    /// An object that is read later; the value is then evaluated.
    Later,
    /// A source that the operator does not read.
    Unread,
}

/// One variable, in the order in which the kubelet sets them: those of `envFrom` first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable<'a> {
    pub name: Cow<'a, str>,
    pub source: Source<'a>,
}

impl<'a> From<&'a EnvVar> for Variable<'a> {
    fn from(given: &'a EnvVar) -> Self {
        let field = |field: &str| {
            // Annotations may contain any text.
            if field.starts_with("metadata.annotations") { Source::Unread } else { Source::Plain }
        };
        let source = match &given.value_from {
            None => Source::Text(given.value.as_deref().unwrap_or_default().into()),
            Some(from) if from.secret_key_ref.is_some() || from.config_map_key_ref.is_some() => Source::Later,
            Some(from) => from.field_ref.as_ref().map_or(Source::Plain, |from| field(&from.field_path)),
        };
        Self { name: given.name.as_str().into(), source }
    }
}

/// A variable or an argument that sets what it may not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The name of the variable; `None` for arguments.
    pub variable: Option<String>,
    /// The option or argument as written; `None` if the variable sets the property by its own name.
    option: Option<String>,
    refusal: Refusal,
}

impl Finding {
    /// Returns whether the finding is about this variable, which sets the property by its own name.
    #[must_use]
    pub fn is_of(&self, variable: &str) -> bool {
        self.option.is_none() && self.variable.as_deref() == Some(variable)
    }

    /// Returns the message for a value that its reader wrote.
    #[must_use]
    pub fn message(&self) -> String {
        self.told(self.option.as_deref())
    }

    /// Returns the message without any part of the value, which may be a secret.
    #[must_use]
    pub fn hidden(&self) -> String {
        self.told(self.option.as_ref().map(|_| self.refusal.owned.unwrap_or("an option")))
    }

    fn told(&self, option: Option<&str>) -> String {
        match option {
            Some(option) => format!("may not set '{option}': it {}", self.refusal.why),
            None => self.refusal.why.clone(),
        }
    }
}

/// Returns the variables of a container that set what the operator owns. `undefined` is the value of a
/// reference to a variable that is not among them; with `None` the reference stays as written.
#[must_use]
pub fn of_variables<'a>(variables: &[Variable<'a>], undefined: Option<&'a Source<'a>>) -> Vec<Finding> {
    let mut scope = Scope::new(undefined);
    let mut expanded = Vec::new();
    for variable in variables {
        let source = scope.expand(&variable.source);
        scope.known.insert(variable.name.clone().into_owned(), source.clone());
        expanded.push((variable.name.as_ref(), source));
    }
    let mut found = Vec::new();
    for (name, source) in &expanded {
        let (name, list) = (*name, list(name, &expanded));
        let by_name = refused_variable(name, known(source)).filter(|_| {
            list.as_deref().is_none_or(|list| refused_variable(name, Known::Text(list)).is_some())
        });
        let options = || JAVA_OPTIONS.contains(&name).then(|| of_options(source)).flatten();
        let of_name = by_name.map(|refusal| (None, refusal));
        if let Some((option, refusal)) =
            of_name.or_else(|| options().map(|(option, refusal)| (Some(option), refusal)))
        {
            found.push(Finding { variable: Some(name.to_owned()), option, refusal });
        }
    }
    found
}

/// Returns the list that a variable is an item of, as Spring assembles it from `NAME_0`, `NAME_1` and
/// so on up to a gap. Returns `None` if it is no item, or if an item is not known.
fn list(name: &str, variables: &[(&str, Source<'_>)]) -> Option<String> {
    let (base, index) = name.rsplit_once('_')?;
    let index = index.parse::<usize>().ok()?;
    let item = |number: usize| {
        let wanted = format!("{base}_{number}");
        // The last variable of a name is the one that is set.
        variables.iter().rev().find(|(name, _)| *name == wanted).map(|(_, source)| source)
    };
    let items: Vec<_> = (0..variables.len()).map_while(item).collect();
    let text = |source: &&Source<'_>| match known(source) {
        Known::Text(text) => Some(text.to_owned()),
        Known::Later | Known::Never => None,
    };
    let texts: Vec<String> = items.iter().map(text).collect::<Option<_>>()?;
    (index < texts.len()).then(|| texts.join(","))
}

/// Returns the arguments of the server that set what the operator owns.
#[must_use]
pub fn of_arguments<'a>(
    arguments: &[&'a str],
    variables: &[Variable<'a>],
    undefined: Option<&'a Source<'a>>,
) -> Vec<Finding> {
    let mut scope = Scope::new(undefined);
    for variable in variables {
        let source = scope.expand(&variable.source);
        scope.known.insert(variable.name.clone().into_owned(), source);
    }
    let findings = arguments.iter().filter_map(|argument| {
        let source = scope.expand(&Source::Text(Cow::Borrowed(argument)));
        let whole = match &source {
            Source::Text(text) => option(text),
            _ => None,
        };
        let (option, refusal) = whole.or_else(|| of_options(&source))?;
        Some(Finding { variable: None, option: Some(option), refusal })
    });
    findings.collect()
}

fn known<'a>(source: &'a Source<'_>) -> Known<'a> {
    match source {
        Source::Text(text) if text.contains(UNKNOWN) => Known::Never,
        Source::Text(text) => Known::Text(text),
        Source::Later => Known::Later,
        Source::Plain | Source::Unread => Known::Never,
    }
}

/// Returns the first option that sets what it may not set, and why.
fn of_options(source: &Source<'_>) -> Option<(String, Refusal)> {
    match source {
        Source::Text(text) => words(text).iter().find_map(|word| option(word)),
        Source::Unread => {
            let why = "comes from an annotation or an object that the operator does not read; write the options out";
            Some(("any property".to_owned(), Refusal::other(why)))
        }
        // A name, an address or a number is never an option.
        Source::Plain | Source::Later => None,
    }
}

/// Parses `-Dname=value` of Java and `--name=value` of Spring. A file with more options could set
/// anything.
fn option(word: &str) -> Option<(String, Refusal)> {
    if word.starts_with('@') || word.starts_with("-XX:VMOptionsFile") {
        let why = "reads options from a file, which the operator cannot check; write the options out";
        return Some((word.to_owned(), Refusal::other(why)));
    }
    let set = word.strip_prefix("-D").or_else(|| word.strip_prefix("--"))?;
    let (name, value) = set.split_once('=').unwrap_or((set, ""));
    if name.contains(UNKNOWN) {
        let why = "has a name that is composed of unknown values; write the name out";
        return Some((name.replace(UNKNOWN, "$(…)"), Refusal::other(why)));
    }
    let value = if value.contains(UNKNOWN) { Known::Never } else { Known::Text(value) };
    refusal(name, value).map(|refusal| (name.to_owned(), refusal))
}

/// Splits variables as Java does: at blanks outside of quotes; quotes are removed wherever they are.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for char in text.chars() {
        match quote {
            Some(open) if char == open => quote = None,
            None if matches!(char, '"' | '\'') => quote = Some(char),
            None if char.is_ascii_whitespace() || char == '\u{b}' => words.push(std::mem::take(&mut word)),
            _ => word.push(char),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Variables that were set so far.
struct Scope<'a> {
    known: HashMap<String, Source<'a>>,
    undefined: Option<&'a Source<'a>>,
}

impl<'a> Scope<'a> {
    fn new(undefined: Option<&'a Source<'a>>) -> Self {
        Self { known: HashMap::new(), undefined }
    }

    /// Expands references as the kubelet does: `$(NAME)` is the value of the variable, `$$` is `$`, and
    /// an undefined reference stays. Source: k8s.io/kubernetes/third_party/forked/golang/expansion
    fn expand(&self, source: &Source<'a>) -> Source<'a> {
        let Source::Text(text) = source else { return source.clone() };
        let (mut expanded, mut rest) = (String::new(), text.as_ref());
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push_str(before);
            rest = after;
            if let Some(after) = rest.strip_prefix('$') {
                expanded.push('$');
                rest = after;
            } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
                rest = after;
                match self.known.get(name).or(self.undefined) {
                    Some(Source::Text(value)) => expanded.push_str(value),
                    Some(Source::Plain) => expanded.push(UNKNOWN),
                    // The value is evaluated with the object when that is read.
                    Some(Source::Later) => {}
                    Some(Source::Unread) => return Source::Unread,
                    None => expanded.extend(["$(", name, ")"]),
                }
            } else {
                expanded.push('$');
            }
        }
        expanded.push_str(rest);
        Source::Text(Cow::Owned(expanded))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn text<'a>(name: &'a str, value: &'a str) -> Variable<'a> {
        Variable { name: name.into(), source: Source::Text(value.into()) }
    }

    fn of(name: &'static str, source: Source<'static>) -> Variable<'static> {
        Variable { name: name.into(), source }
    }

    #[rstest]
    #[case::plain("-Dserver.port=1", true)]
    #[case::quoted("\"-Dserver.port=1\"", true)]
    #[case::quoted_inside("-D'server.po'rt=1", true)]
    #[case::quote_before("''-Dserver.port=1", true)]
    #[case::tab("-Xmx1g\t-Dserver.port=1", true)]
    #[case::inside_of_a_value("-Dtitle=\"a -Dserver.port=1\"", false)]
    #[case::without_value("-Dserver.port", true)]
    #[case::from_a_file("-XX:VMOptionsFile=/x", true)]
    #[case::from_an_argument_file("@/x", true)]
    #[case::json("-Dspring.application.json={}", true)]
    #[case::kept("-Dserver.shutdown=graceful", false)]
    #[case::not_kept("-Dserver.shutdown=immediate", true)]
    #[case::other(
        "-XX:+UseZGC -Dfile.encoding=UTF-8 -javaagent:/a.jar=b --add-opens=java.base/java.lang=A",
        false
    )]
    fn options_of_java_are_read_as_java_reads_them(#[case] value: &str, #[case] refused: bool) {
        for name in JAVA_OPTIONS {
            assert_eq!(!of_variables(&[text(name, value)], None).is_empty(), refused, "{name}");
        }
        assert!(of_variables(&[text("OTHER", value)], None).is_empty());
    }

    #[rstest]
    #[case::hidden_name(&[text("P", "server.port"), text("JAVA_TOOL_OPTIONS", "-D$(P)=1")], true)]
    #[case::hidden_option(&[text("P", "-Dserver.port=1"), text("JAVA_TOOL_OPTIONS", "-Xmx1g $(P)")], true)]
    #[case::two_steps(&[text("A", "port"), text("P", "server.$(A)"), text("JAVA_TOOL_OPTIONS", "-D$(P)=1")], true)]
    #[case::escaped(&[text("P", "server.port"), text("JAVA_TOOL_OPTIONS", "-D$$(P)=1")], false)]
    #[case::defined_later(&[text("JAVA_TOOL_OPTIONS", "-D$(P)=1"), text("P", "server.port")], false)]
    #[case::name_of_a_label(&[of("P", Source::Plain), text("JAVA_TOOL_OPTIONS", "-D$(P)=1")], true)]
    #[case::value_of_the_pod(&[of("P", Source::Plain), text("JAVA_TOOL_OPTIONS", "-Dpod=$(P)")], false)]
    #[case::unread(&[of("P", Source::Unread), text("JAVA_TOOL_OPTIONS", "-Dpod=$(P)")], true)]
    #[case::all_unread(&[of("JAVA_TOOL_OPTIONS", Source::Unread)], true)]
    #[case::read_later(&[of("P", Source::Later), text("JAVA_TOOL_OPTIONS", "-Dpod=$(P)")], false)]
    #[case::unread_elsewhere(&[of("P", Source::Unread), text("OTHER", "$(P)")], false)]
    #[case::list_by_index(&[text("MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE_0", "health"), text("MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE_1", "prometheus")], false)]
    #[case::list_by_reference(&[text("V", "prometheus"), text("MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE_0", "$(V)"), text("MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE_1", "health")], false)]
    #[case::list_without_metrics(&[text("MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE_0", "health"), text("MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE_1", "info")], true)]
    #[case::list_with_a_gap(&[text("MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE_0", "health"), text("MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE_2", "prometheus")], true)]
    #[case::list_of_ports(&[text("SERVER_PORT_0", "1")], true)]
    #[case::kept_value(&[text("V", "true"), text("MANAGEMENT_ENDPOINT_HEALTH_PROBES_ENABLED", "$(V)")], false)]
    #[case::unknown_value(&[of("MANAGEMENT_ENDPOINT_HEALTH_PROBES_ENABLED", Source::Plain)], true)]
    fn references_hide_no_option(#[case] variables: &[Variable<'_>], #[case] refused: bool) {
        assert_eq!(!of_variables(variables, None).is_empty(), refused);
    }

    #[test]
    fn an_undefined_reference_is_what_the_caller_says() {
        let variables = [text("JAVA_TOOL_OPTIONS", "-Da=$(FROM)")];
        assert!(of_variables(&variables, None).is_empty());
        assert_eq!(of_variables(&variables, Some(&Source::Unread)).len(), 1);
    }

    #[rstest]
    #[case::of_spring("--logpilot.server.api-key=", true)]
    #[case::other_spelling("--logpilot.server.apiKey", true)]
    #[case::of_java("-Dserver.port=1", true)]
    #[case::in_a_script("exec java -Dserver.port=1 -jar app.jar", true)]
    #[case::by_reference("--$(P)=1", true)]
    #[case::with_blanks("--server.port= 1", true)]
    #[case::other("--spring.main.banner-mode=off", false)]
    #[case::text("server.port=1", false)]
    fn arguments_set_nothing_of_ours(#[case] argument: &str, #[case] refused: bool) {
        let found = of_arguments(&["run", argument], &[text("P", "server.port")], None);
        assert_eq!(!found.is_empty(), refused, "{found:?}");
    }

    #[test]
    fn a_hidden_message_has_nothing_of_the_value() {
        let found = of_variables(&[text("JAVA_TOOL_OPTIONS", "-DServer.PORT=canary -Dcanary[=1")], None);
        assert!(found[0].message().contains("'Server.PORT'"), "{found:?}");
        assert!(found[0].hidden().contains("'server.port'"), "{found:?}");
        let found = of_variables(&[text("JAVA_TOOL_OPTIONS", "-Dcanary[=1")], None);
        assert!(!found[0].hidden().contains("canary"), "{found:?}");
    }
}
