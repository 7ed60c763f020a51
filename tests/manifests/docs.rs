//! Tables in documents that repeat the code.

use logpilot_operator::reasons::REASONS;

use super::read;

/// Symptoms that users search for, and the reason that explains each.
const TROUBLES: [(&str, &str); 27] = [
    ("Image path", "ImagePullBackOff"),
    ("login", "ImagePullBackOff"),
    ("Pull Secret", "ReferenceMissing"),
    ("terminates repeatedly", "CrashLoopBackOff"),
    ("does not answer", "CrashLoopBackOff"),
    ("Out of memory", "OOMKilled"),
    ("ConfigMap", "CreateContainerConfigError"),
    ("mounted", "ContainerCreating"),
    ("never ready", "NotReady"),
    ("Insufficient", "Unschedulable"),
    ("nodeSelector", "Unschedulable"),
    ("Taints", "Unschedulable"),
    ("StorageClass does not exist", "VolumePending"),
    ("No default StorageClass", "VolumePending"),
    ("No provisioner", "VolumePending"),
    ("WaitForFirstConsumer", "Unschedulable"),
    ("Quota", "QuotaExceeded"),
    ("LimitRange", "LimitRangeExceeded"),
    ("Admission", "AdmissionDenied"),
    ("Pod Security", "AdmissionDenied"),
    ("Evicted", "Evicted"),
    ("Node does not answer", "NodeLost"),
    ("does not terminate", "TerminatingStuck"),
    ("Labels of a pod", "PodStray"),
    ("NetworkPolicy", "ClientsMayBeCut"),
    ("metrics-server", "MetricsUnavailable"),
    ("resources.requests", "MetricsUnavailable"),
];

#[test]
fn troubleshooting_covers_symptoms_and_names_existing_reasons() {
    let text = read("docs/troubleshooting.md");
    let rows: Vec<Vec<String>> = text.lines().filter(|line| line.starts_with("| ")).map(cells).collect();
    let named = |row: &[String]| row[1].trim_end_matches(" (Warning)").to_owned();
    for row in rows.iter().filter(|row| row[0] != "Symptom" && row[0] != "---") {
        assert_eq!(row.len(), 4, "{row:?}");
        let named = named(row);
        let known = ["none", "the pods' own"].contains(&named.as_str());
        assert!(known || REASONS.iter().any(|it| it.name == named), "{named} is no reason: {row:?}");
    }
    for (symptom, reason) in TROUBLES {
        let found = rows.iter().any(|row| row[0].contains(symptom) && named(row) == reason);
        assert!(found, "docs/troubleshooting.md has no row '{symptom}' with {reason}");
    }
    assert!(read("docs/reasons.md").contains("(troubleshooting.md)"));
}

/// Returns the rows of the table with this header; none if there is no such table.
pub fn rows(text: &str, header: &str) -> Vec<Vec<String>> {
    let rows = text.lines().skip_while(|line| line.trim() != header).skip(2);
    rows.take_while(|line| line.starts_with('|')).map(cells).collect()
}

/// Returns the cells of a table's row, without markup.
pub fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_matches('|').replace("\\|", "\u{0}");
    line.split('|').map(|cell| cell.replace('\u{0}', "|").replace('`', "").trim().to_owned()).collect()
}
