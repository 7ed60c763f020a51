//! `plan` and the API server give the same verdict: on every bad and good input, on every example,
//! and on random documents.

use std::{collections::BTreeSet, env, fs, path::Path, process::Command};

use futures::{StreamExt as _, stream};
use kube::{
    Client,
    core::{Request, Status},
};
use logpilot_operator::{
    manifest::{self, plain_path},
    verdict::{Judge, Layer, Refusal},
};
use rand::{SeedableRng as _, rngs::StdRng};

use super::{
    random_documents::Documents,
    table::{Row, rows, valid_rows},
    *,
};

const COLLECTION: &str = "/apis/logpilot.io/v1alpha1/logpilotclusters";
const AT_ONCE: usize = 16;
const RANDOM: usize = 2000;
const SEED: u64 = 11_533_366_063_897_939_677;

/// Where the two may differ, with the reason. A path ends the comparison of what lies below it.
const DIFFERENCES: [(&str, &str); 1] = [(
    "metadata",
    "a wrong type in it ends the decoding, and the API server names neither the path nor anything else",
)];

#[tokio::test]
async fn plan_and_api_server_agree_on_every_input() {
    let client = shared_operator().await.client().await;
    let texts: Vec<(String, String)> = rows()
        .into_iter()
        .chain(valid_rows())
        .map(|row| (row.label(), row.object(Row::NAME).to_string()))
        .collect();
    let tried = texts.len();
    let (accepted, wrong) = compare(&client, texts).await;
    println!("{tried} inputs: {accepted} accepted, {} refused by both", tried - accepted);
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// The default seed keeps the result of a commit the same on each run. `LOGPILOT_SEED` selects other
/// documents and `LOGPILOT_DOCUMENTS` more of them; `make campaign` does both.
#[tokio::test]
async fn plan_and_api_server_agree_on_random_documents() {
    let client = shared_operator().await.client().await;
    let number = |name: &str| env::var(name).ok().and_then(|it| it.parse::<u64>().ok());
    let seed = number("LOGPILOT_SEED").unwrap_or(SEED);
    let count = number("LOGPILOT_DOCUMENTS").map_or(RANDOM, |it| usize::try_from(it).unwrap());
    println!("LOGPILOT_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let documents = Documents::new(valid_rows().iter().map(|row| row.object(Row::NAME)).collect());
    let texts = (0..count).map(|number| (number.to_string(), documents.next(&mut random))).collect();
    let began = Instant::now();
    let (accepted, wrong) = compare(&client, texts).await;
    println!(
        "{count} random documents of seed {seed}: {accepted} accepted, {} refused by both, {} s",
        count - accepted - wrong.len(),
        began.elapsed().as_secs()
    );
    assert!(wrong.is_empty(), "seed {seed}: {} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Counts the documents that both accept, and reports differences.
async fn compare(client: &Client, texts: Vec<(String, String)>) -> (usize, Vec<String>) {
    let judge = Judge::new();
    let verdicts = texts.into_iter().map(|(label, text)| {
        let ours = ours(&judge, &text);
        async move {
            let theirs = send(client, &text).await;
            let why = difference(&ours, theirs.as_ref());
            let told = why
                .map(|why| format!("{label}: {why}\n  plan: {ours:#?}\n  API server: {theirs:#?}\n{text}"));
            (ours.is_empty(), told)
        }
    });
    let told: Vec<(bool, Option<String>)> = stream::iter(verdicts).buffer_unordered(AT_ONCE).collect().await;
    let accepted = told.iter().filter(|(accepted, wrong)| *accepted && wrong.is_none()).count();
    (accepted, told.into_iter().filter_map(|(_, wrong)| wrong).collect())
}

/// A refusal's layer and its path in plain notation.
type Said = BTreeSet<(Layer, String)>;

fn ours(judge: &Judge, text: &str) -> Said {
    let Ok(documents) = manifest::read(text.as_bytes()) else {
        return [(Layer::Strict, "unreadable".to_owned())].into();
    };
    let mut said = Said::new();
    for document in documents {
        let of = |it: Refusal| (it.layer, plain_path(&it.path));
        said.extend(judge.refusals(&document.value, None).into_iter().map(of));
        said.extend(document.repeated.iter().map(|it| (Layer::Strict, plain_path(&it.path))));
    }
    said
}

fn difference(ours: &Said, theirs: Option<&Status>) -> Option<String> {
    let Some(status) = theirs else {
        return (!ours.is_empty()).then(|| "only plan refuses".to_owned());
    };
    if ours.is_empty() {
        return Some("only the API server refuses".to_owned());
    }
    let paths = |strict: bool| -> BTreeSet<String> {
        ours.iter()
            .filter(|(layer, _)| (*layer == Layer::Strict) == strict)
            .map(|(_, path)| path.clone())
            .collect()
    };
    let differ = |ours: BTreeSet<String>, theirs: BTreeSet<String>| {
        (ours != theirs).then(|| format!("plan names {ours:?}, the API server {theirs:?}"))
    };
    if status.code == 400 {
        let unknown = unknown_fields(&status.message);
        if unknown.is_empty() {
            let known =
                |(_, path): &(Layer, String)| DIFFERENCES.iter().any(|(below, _)| path.starts_with(below));
            let of_the_text = status.message.contains("already set in map")
                || ours.iter().any(|(_, path)| path == "unreadable");
            return (!of_the_text && !ours.iter().any(known)).then(|| "not decoded".to_owned());
        }
        // Strict decoding ends the request; its message includes duplicate keys.
        let mut strict = paths(true);
        if status.message.contains("already set in map") {
            strict.retain(|path| unknown.contains(path));
        }
        return differ(strict, unknown);
    }
    if !paths(true).is_empty() {
        return Some("fields that the API server knows".to_owned());
    }
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let theirs = causes
        .map(|cause| plain_path(&cause.field))
        .filter(|path| !path.is_empty() && path != "<nil>")
        .collect();
    differ(paths(false), theirs)
}

fn unknown_fields(message: &str) -> BTreeSet<String> {
    let fields = message.split("unknown field \"").skip(1);
    fields.filter_map(|it| it.split('"').next()).map(plain_path).collect()
}

/// A dry run with strict field validation, of the unmodified text: the API server parses YAML itself.
async fn send(client: &Client, text: &str) -> Option<Status> {
    let parameters = kube::api::PostParams { dry_run: true, ..Default::default() };
    let mut request = Request::new(COLLECTION).create(&parameters, text.as_bytes().to_vec()).unwrap();
    let uri = format!("{}&fieldValidation=Strict", request.uri());
    *request.uri_mut() = uri.parse().unwrap();
    request.headers_mut().insert("content-type", "application/yaml".parse().unwrap());
    match client.request_text(request).await {
        Ok(_) => None,
        // A random document can have the name of another test's resource. The API server checks the
        // name last, when everything else about the object is valid.
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => None,
        Err(kube::Error::Api(status)) => Some(*status),
        Err(error) => panic!("{error}"),
    }
}

/// kubectl accepts every object that `plan` prints, unmodified.
#[tokio::test]
async fn the_printed_plan_passes_a_dry_run() {
    let world = shared_operator().await;
    let Some(plane) = world.env.control_plane() else {
        println!("skipped: kubectl is the local control plane's");
        return;
    };
    let client = world.client().await;
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let output = Command::new(env!("CARGO_BIN_EXE_logpilot-operator"))
        .args(["plan", "-f", directory.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let documents = cluster::documents(&text);
    // A dry run stores no namespace for the objects after it.
    let namespaces = kinds::api(&client, kind("Namespace"), "");
    let names: BTreeSet<&str> =
        documents.iter().filter_map(|it| it["metadata"]["namespace"].as_str()).collect();
    let mut made = Vec::new();
    for name in names {
        if namespaces.get_opt(name).await.unwrap().is_none() {
            cluster::apply(
                &client,
                &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }),
            )
            .await;
            made.push(name);
        }
    }
    let path = env::temp_dir().join(format!("plan-{}.yaml", std::process::id()));
    fs::write(&path, &text).unwrap();
    let output = Command::new(plane.tool("kubectl"))
        .arg("--kubeconfig")
        .arg(plane.admin_kubeconfig_path())
        .args(["apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts", "-f"])
        .arg(&path)
        .output()
        .unwrap();
    fs::remove_file(path).unwrap();
    for name in made {
        let _ = namespaces.delete(name, &kube::api::DeleteParams::background()).await;
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let taken = String::from_utf8_lossy(&output.stdout).lines().count();
    println!("{taken} objects");
    assert_eq!(taken, documents.len(), "{said}");
}
