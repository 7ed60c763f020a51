//! The files of the bundled monitoring.
//!
//! Addresses of components are references, so that each one is a network edge too. Texts of the user are
//! literal.

use serde_json::{Value, json};

use super::{
    Probed, Scraped, dashboards,
    programs::{BLACKBOX, PROMETHEUS},
};
use crate::workload::{StringMap, names, resolve::monitoring::seconds};

pub const PROMETHEUS_DIRECTORY: &str = "/etc/prometheus";
pub const BLACKBOX_FILE: &str = "/etc/blackbox_exporter/config.yml";
const DASHBOARDS: &str = "/etc/grafana/dashboards";
const PROVISIONING: &str = "/etc/grafana/provisioning";
/// Time between two resolutions of a component's pods.
const REFRESH: &str = "15s";
/// Module of the exporter that probes as the kubelet does.
const MODULE: &str = "http_as_kubelet";
/// Codes that the kubelet takes for success. A redirect is one, and it is not followed.
const SUCCESS: std::ops::Range<i32> = 200..400;

/// A text in which nothing is a reference.
pub fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

fn yaml(value: &Value) -> String {
    // The value has text keys only, so this cannot fail.
    serde_yaml::to_string(value).unwrap_or_default()
}

/// The inputs of the files.
pub struct Config<'a> {
    pub stack: &'a str,
    /// Name of the component.
    pub prometheus: &'a str,
    pub interval: &'a str,
    pub scraped: &'a [Scraped<'a>],
    pub probed: &'a [Probed],
}

impl Config<'_> {
    /// Files of Prometheus by path.
    pub fn prometheus(&self) -> StringMap {
        StringMap::from([
            (format!("{PROMETHEUS_DIRECTORY}/prometheus.yml"), yaml(&self.main())),
            (format!("{PROMETHEUS_DIRECTORY}/rules.yml"), yaml(&self.rules())),
        ])
    }

    fn main(&self) -> Value {
        let own = json!({
            "job_name": self.prometheus,
            "static_configs": [{
                "targets": [format!("localhost:{}", PROMETHEUS.port)],
                "labels": { "component": self.prometheus },
            }],
        });
        let probe = (!self.probed.is_empty()).then(|| self.probe());
        let jobs: Vec<Value> =
            std::iter::once(own).chain(self.scraped.iter().map(scrape)).chain(probe).collect();
        json!({
            "global": {
                "scrape_interval": self.interval,
                "evaluation_interval": self.interval,
                "external_labels": { "stack": self.stack },
            },
            "rule_files": [format!("{PROMETHEUS_DIRECTORY}/rules.yml")],
            "scrape_configs": jobs,
        })
    }

    /// The exporter asks each Service. The component's name is the job's, so that no other job can have it.
    fn probe(&self) -> Value {
        let target = |it: &Probed| json!({ "targets": [it.url], "labels": { "component": it.name } });
        let address = format!("$({}.address)", BLACKBOX.name);
        json!({
            "job_name": BLACKBOX.name,
            "metrics_path": "/probe",
            "params": { "module": [MODULE] },
            "static_configs": self.probed.iter().map(target).collect::<Vec<_>>(),
            "relabel_configs": [
                { "source_labels": ["__address__"], "target_label": "__param_target" },
                { "source_labels": ["__param_target"], "target_label": "instance" },
                { "target_label": "__address__", "replacement": address },
            ],
        })
    }

    fn rules(&self) -> Value {
        let blackbox = BLACKBOX.name;
        let pods = format!("up{{job!=\"{blackbox}\"}}");
        let mut down = vec![format!("max by (component) ({pods}) == 0")];
        if !self.probed.is_empty() {
            down.push("max by (component) (probe_success) == 0".to_owned());
            down.push(format!(
                "label_replace(max(up{{job=\"{blackbox}\"}}) == 0, \"component\", \"{blackbox}\", \"\", \"\")"
            ));
        }
        // A component without pods has no target, and therefore no series.
        let running = self.scraped.iter().filter(|it| it.runs);
        down.extend(running.map(|it| format!("absent(up{{component=\"{}\"}})", it.name)));
        // The window contains four samples, so that one may be missed.
        let minutes = seconds(self.interval).unwrap_or_default().saturating_mul(4).div_ceil(60).max(5);
        let rule =
            |alert: &str, expr: String, wait: &str, severity: &str, summary: &str, description: &str| {
                json!({
                    "alert": alert,
                    "expr": expr,
                    "for": wait,
                    "labels": { "severity": severity },
                    "annotations": { "summary": summary, "description": description },
                })
            };
        let rules = [
            rule(
                "ComponentDown",
                down.join(" or "),
                "5m",
                "critical",
                "Component is down",
                "No pod of component {{ $labels.component }} has answered for 5 minutes. \
                 Run kubectl describe stack.",
            ),
            rule(
                "ProbeSlow",
                format!("max by (component) (avg_over_time(probe_duration_seconds[{minutes}m])) > 1"),
                "10m",
                "warning",
                "Component answers slowly",
                "The readiness path of component {{ $labels.component }} takes \
                 {{ $value | humanizeDuration }} on average.",
            ),
            rule(
                "TargetNeverAnswered",
                format!("max by (component) (max_over_time({pods}[1d])) == 0"),
                "15m",
                "warning",
                "Metrics have never been read",
                "No scrape of component {{ $labels.component }} has succeeded within a day. \
                 Check the port and path in its metrics.",
            ),
        ];
        json!({ "groups": [{ "name": "stack", "rules": rules }] })
    }

    /// Files of Grafana by path.
    pub fn grafana(&self) -> StringMap {
        let datasource = json!({
            "apiVersion": 1,
            "datasources": [{
                "name": "Prometheus",
                "uid": "prometheus",
                "type": "prometheus",
                "access": "proxy",
                "url": format!("http://$({}.address)", self.prometheus),
                "isDefault": true,
                "editable": false,
                "jsonData": { "timeInterval": self.interval },
            }],
        });
        let provider = json!({
            "apiVersion": 1,
            "providers": [{
                "name": "stack",
                "type": "file",
                "disableDeletion": true,
                "allowUiUpdates": false,
                "options": { "path": DASHBOARDS },
            }],
        });
        let dashboards = dashboards::all(self.stack).into_iter();
        let dashboards = dashboards.map(|(name, model)| (format!("{DASHBOARDS}/{name}.json"), model));
        dashboards
            .chain([
                (format!("{PROVISIONING}/datasources/stack.yaml"), yaml(&datasource)),
                (format!("{PROVISIONING}/dashboards/stack.yaml"), yaml(&provider)),
            ])
            .collect()
    }
}

/// One target for each pod, ready or not: the headless Service has an address record for each.
fn scrape(it: &Scraped<'_>) -> Value {
    json!({
        "job_name": it.name,
        "metrics_path": literal(it.path),
        "dns_sd_configs": [{
            "names": [names::pods(&format!("$({}.host)", it.name))],
            "type": "A",
            "port": it.port,
            "refresh_interval": REFRESH,
        }],
        "relabel_configs": [{ "target_label": "component", "replacement": it.name }],
    })
}

/// Files of the exporter by path.
pub fn blackbox() -> StringMap {
    let module = json!({
        "prober": "http",
        "http": {
            "valid_status_codes": SUCCESS.collect::<Vec<_>>(),
            "follow_redirects": false,
            "preferred_ip_protocol": "ip4",
        },
    });
    StringMap::from([(BLACKBOX_FILE.to_owned(), yaml(&json!({ "modules": { MODULE: module } })))])
}
