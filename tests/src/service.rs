//! The runtime's example of a service, run as a process of its own and spoken to over HTTP.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

use crate::programs;

/// A service that runs.
pub struct Service {
    child: Child,
    /// Its address, `http://…`.
    pub url: String,
    agent: Agent,
}

/// Status and body of an answer.
pub type Reply = (u16, Value);

impl Service {
    /// Starts the service on a free port.
    pub fn start(bundle: &Path, arguments: &[&str]) -> Service {
        let mut command = Command::new(programs::program("examples/service").unwrap_or_else(|e| panic!("{e}")));
        command.arg(bundle).args(["--port", "0"]).args(arguments).env("MMNAS_ORT_DYLIB", programs::onnxruntime());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap_or_else(|e| panic!("{e}"));
        let mut url = String::new();
        let output = child.stdout.take().unwrap_or_else(|| panic!("no output"));
        BufReader::new(output).read_line(&mut url).unwrap_or_else(|e| panic!("{e}"));
        assert!(url.starts_with("http://"), "the service did not start: {url:?}");
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(120)))
            // So that what one client sends does not wait behind what another has not read.
            .max_idle_connections_per_host(64);
        Service { child, url: url.trim().to_owned(), agent: settings.build().into() }
    }

    fn reply(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<(u16, String), String> {
        let mut response = result.map_err(|e| e.to_string())?;
        let text = response.body_mut().read_to_string().map_err(|e| e.to_string())?;
        Ok((response.status().as_u16(), text))
    }

    /// `GET path` as text.
    pub fn get(&self, path: &str) -> (u16, String) {
        Service::reply(self.agent.get(format!("{}{path}", self.url)).call()).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// `POST path` of bytes.
    pub fn post(&self, path: &str, body: &[u8]) -> Reply {
        let sent = self.agent.post(format!("{}{path}", self.url)).send(body);
        let (status, text) = Service::reply(sent).unwrap_or_else(|e| panic!("{path}: {e}"));
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// `POST path` of JSON; an error where the connection fails.
    pub fn try_json(&self, path: &str, body: &Value) -> Result<Reply, String> {
        let (status, text) = Service::reply(self.agent.post(format!("{}{path}", self.url)).send_json(body))?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// As [`Service::try_json`] where the connection does not fail.
    pub fn json(&self, path: &str, body: &Value) -> Reply {
        self.try_json(path, body).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// Tells the service to end, as an operator does.
    pub fn tell_to_end(&self) {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()));
    }

    /// Waits until it has ended.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap_or_else(|e| panic!("{e}"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}
