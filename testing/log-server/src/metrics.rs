//! `/actuator/prometheus`: the names and labels of the server, with real counts for what the
//! stand-in can count.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::Mutex,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::log;

/// The metrics of a JVM, Tomcat and Spring, with meaningless values.
const FIXED: &str = include_str!("metrics.txt");

/// Upper bounds of the gRPC histograms, in seconds and in bytes.
const SECONDS: [f64; 3] = [0.01, 0.1, 1.0];
const BYTES: [f64; 3] = [1024.0, 4096.0, 65536.0];

type Labels<'a> = &'a [(&'a str, &'a str)];

#[derive(Default)]
pub struct Metrics(Mutex<BTreeMap<String, f64>>);

impl Metrics {
    pub fn add(&self, name: &str, labels: Labels<'_>, by: f64) {
        self.change(name, labels, |value| value + by);
    }

    /// A summary as Micrometer writes it: count, sum and maximum.
    pub fn observe(&self, name: &str, labels: Labels<'_>, value: f64) {
        self.add(&format!("{name}_count"), labels, 1.0);
        self.add(&format!("{name}_sum"), labels, value);
        self.change(&format!("{name}_max"), labels, |max| max.max(value));
    }

    fn histogram(&self, name: &str, labels: Labels<'_>, bounds: &[f64], value: f64) {
        self.observe(name, labels, value);
        for bound in bounds.iter().chain([&f64::INFINITY]) {
            let le = if bound.is_finite() { bound.to_string() } else { "+Inf".into() };
            let labels: Vec<_> = labels.iter().copied().chain([("le", le.as_str())]).collect();
            self.add(&format!("{name}_bucket"), &labels, f64::from(u8::from(value <= *bound)));
        }
    }

    fn change(&self, name: &str, labels: Labels<'_>, to: impl FnOnce(f64) -> f64) {
        let Ok(mut all) = self.0.lock() else { return };
        let value = all.entry(series(name, labels)).or_default();
        *value = to(*value);
    }

    /// One answered call on 8080.
    pub fn http(&self, method: &str, uri: &str, status: u16, took: Duration) {
        let (outcome, exception) = match status {
            200..300 => ("SUCCESS", "none"),
            400..500 => ("CLIENT_ERROR", "none"),
            _ => ("SERVER_ERROR", "Exception"),
        };
        let status = status.to_string();
        let labels = [
            ("error", exception),
            ("exception", exception),
            ("method", method),
            ("outcome", outcome),
            ("status", &status),
            ("uri", uri),
        ];
        self.observe("http_server_requests_seconds", &labels, took.as_secs_f64());
    }

    /// A call on 8080 that started (1) or ended (-1).
    pub fn http_active(&self, method: &str, by: f64) {
        let labels = [
            ("exception", "none"),
            ("method", method),
            ("outcome", "UNKNOWN"),
            ("status", "200"),
            ("uri", "UNKNOWN"),
        ];
        self.active("http_server_requests_active_seconds", &labels, by);
    }

    /// At the start of a call its service and method are known; at its end also its status.
    pub fn grpc_active(&self, service: &str, method: &str, by: f64) {
        let rpc = [("rpc_method", method), ("rpc_service", service), ("rpc_type", "UNARY")];
        self.active("grpc_server_active_seconds", &rpc, by);
    }

    /// One answered gRPC call; sizes in bytes.
    pub fn grpc(&self, service: &str, method: &str, status: &str, took: Duration, sizes: (f64, f64)) {
        let took = took.as_secs_f64();
        let unary = [("method", method), ("methodType", "UNARY"), ("service", service)];
        let [a, b, c] = unary;
        self.observe("grpc_server_processing_duration_seconds", &[a, b, c, ("statusCode", status)], took);
        self.add("grpc_server_requests_received_messages_total", &unary, 1.0);
        self.add("grpc_server_responses_sent_messages_total", &unary, 1.0);

        let rpc = [("rpc_method", method), ("rpc_service", service), ("rpc_type", "UNARY")];
        let [a, b, c] = rpc;
        let coded = [("error", "none"), ("grpc_status_code", status), a, b, c];
        self.observe("grpc_server_seconds", &coded, took);
        self.add("grpc_server_received_total", &rpc, 1.0);
        self.add("grpc_server_sent_total", &rpc, 1.0);

        let full = format!("{service}/{method}");
        let (name, version) = (("instrumentation_source", "grpc"), ("instrumentation_version", "1.63.0"));
        let called = [("grpc_method", full.as_str()), ("grpc_status", status), name, version];
        self.histogram("grpc_server_call_duration_seconds", &called, &SECONDS, took);
        for (direction, bytes) in [("rcvd", sizes.0), ("sent", sizes.1)] {
            let metric = format!("grpc_server_call_{direction}_total_compressed_message_size_bytes");
            self.histogram(&metric, &called, &BYTES, bytes);
        }
        self.add("grpc_server_call_started_total", &[("grpc_method", &full), name, version], 1.0);
    }

    fn active(&self, name: &str, labels: Labels<'_>, by: f64) {
        self.add(&format!("{name}_count"), labels, by);
        self.add(&format!("{name}_sum"), labels, 0.0);
        self.add(&format!("{name}_max"), labels, 0.0);
    }

    /// Renders the page; `up` is the uptime of the process.
    #[must_use]
    pub fn render(&self, up: Duration) -> String {
        let mut page = FIXED.to_owned();
        let mut line = |series: &str, value: f64| _ = writeln!(page, "{series} {value}");
        for level in log::Level::ALL {
            #[expect(clippy::cast_precision_loss, reason = "there are never so many lines")]
            line(&series("logback_events_total", &[("level", level.label())]), level.count() as f64);
        }
        // The heap is the memory of the whole process: a leak appears where a JVM shows it.
        line(&series("jvm_memory_used_bytes", &[("area", "heap"), ("id", "Tenured Gen")]), resident_bytes());
        line("process_uptime_seconds", up.as_secs_f64());
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(up);
        line("process_start_time_seconds", started.as_secs_f64());
        if let Ok(all) = self.0.lock() {
            all.iter().for_each(|(series, value)| line(series, *value));
        }
        page
    }
}

fn series(name: &str, labels: Labels<'_>) -> String {
    if labels.is_empty() {
        return name.to_owned();
    }
    let labels: Vec<_> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    format!("{name}{{{}}}", labels.join(","))
}

/// 0 if the kernel does not report it.
fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1024.0
}
