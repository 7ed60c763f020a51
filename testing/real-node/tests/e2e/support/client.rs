//! A client of the server, from outside the Kubernetes cluster.

use std::{net::TcpListener, time::Duration};

use local_cluster::wait_for;
use serde_json::{Value, json};

use super::{SOON, World, kubectl::Background};

/// Longer than any response, shorter than a test.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The address at which a Service's port can be reached from here.
pub struct Reach {
    /// Host and port.
    pub address: String,
    /// Kept alive: on a given cluster the address is a forwarded port.
    _forward: Option<Background>,
}

impl World {
    /// Returns the Service itself on own nodes. On a given cluster it is a forwarded port, which
    /// leads to one pod: enough for requests, but not to observe a rollout.
    pub async fn reach(&self, namespace: &str, service: &str, port: u16) -> Reach {
        let what = format!("service/{service} -n {namespace}");
        if self.nodes(&format!("{what} by its own address")).is_some() {
            let service = self.kubectl.get(&what).unwrap();
            let address = format!("{}:{port}", service["spec"]["clusterIP"].as_str().unwrap());
            return Reach { address, _forward: None };
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let forward = self.kubectl.background(&format!("port-forward {what} {free}:{port}"));
        let address = format!("127.0.0.1:{free}");
        wait_for("the forwarded port", SOON, async || {
            let connected = tokio::net::TcpStream::connect(&address).await;
            connected.map(drop).map_err(|error| error.to_string())
        })
        .await
        .unwrap();
        Reach { address, _forward: Some(forward) }
    }
}

/// Speaks REST with an API key.
pub struct Client {
    agent: ureq::Agent,
    base: String,
    key: String,
}

impl Client {
    pub fn new(reach: &Reach, key: &str) -> Self {
        let config = ureq::Agent::config_builder();
        // A kept connection stays with its pod, even after the pod has left the Service.
        let config = config.timeout_global(Some(TIMEOUT)).http_status_as_error(false).max_idle_connections(0);
        let agent = config.build().into();
        Self { agent, base: format!("http://{}", reach.address), key: key.to_owned() }
    }

    /// Status and body of a GET.
    pub fn get(&self, path: &str) -> Result<(u16, String), String> {
        let request = self.agent.get(format!("{}{path}", self.base)).header("X-API-KEY", &self.key);
        answer(request.call())
    }

    /// Writes one log; only 201 is an acknowledgement.
    pub fn send(&self, channel: &str, message: &str) -> Result<(), String> {
        let log = json!({ "channel": channel, "level": "INFO", "message": message });
        let request = self.agent.post(format!("{}/api/logs", self.base)).header("X-API-KEY", &self.key);
        let request = request.header("Content-Type", "application/json");
        match answer(request.send(log.to_string()))? {
            (201, _) => Ok(()),
            (status, body) => Err(format!("{status} {body}")),
        }
    }

    /// Returns the messages that a consumer has not read yet, oldest first, up to a limit.
    pub fn consume(&self, channel: &str, consumer: &str, limit: usize) -> Result<Vec<String>, String> {
        let (status, body) = self.get(&format!("/api/logs/{channel}?consumerId={consumer}&limit={limit}"))?;
        let logs: Vec<Value> =
            serde_json::from_str(&body).map_err(|error| format!("{status} {body}: {error}"))?;
        Ok(logs.iter().map(|log| log["message"].as_str().unwrap_or_default().to_owned()).collect())
    }
}

fn answer(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<(u16, String), String> {
    let mut response = response.map_err(|error| error.to_string())?;
    let body = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
    Ok((response.status().as_u16(), body))
}
