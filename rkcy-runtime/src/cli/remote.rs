//! A platform that runs in another process, reached through its edge.
//!
//! Owns how that process is found, and how what it answers becomes what a command prints. On a log that several
//! processes share a command needs none of it: it submits by itself.

use super::settings::Settings;
use crate::codegen::PlatformDesc;
use crate::driver::LogChoice;
use crate::grpc::ID;
use crate::log::kafka::Secret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::TxnId;
use serde_json::Value as Json;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::{Request, StatusCode};

/// A process that does not answer at all by then is not there.
const CONNECT: Duration = Duration::from_secs(5);
/// The edge answers within its own limit; this is for one that hangs.
const ANSWER: Duration = Duration::from_secs(60);

/// A platform in another process.
pub(super) struct Remote {
    agent: ureq::Agent,
    base: String,
    /// Shown to an edge that asks who calls.
    token: Option<Secret>,
}

/// What it has answered.
pub(super) struct Answer {
    status: StatusCode,
    body: Json,
}

/// Where the process that has an embedded log says how its edge is reached.
fn notice(log: &LogChoice) -> Option<PathBuf> {
    match log {
        LogChoice::Embedded(dir) => Some(dir.join("edge")),
        LogChoice::Kafka(_) => None,
    }
}

/// The note that others find this process by; it is gone when this is dropped.
pub(super) struct Notice(PathBuf);

impl Notice {
    /// Says where the edge is, on a log that no other process can open.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(super) fn put(log: &LogChoice, url: &str) -> Result<Option<Notice>, Fault> {
        let Some(path) = notice(log) else {
            return Ok(None);
        };
        std::fs::write(&path, url).map_err(|error| {
            let message = format!("{} cannot be written: {error}", path.display());
            Fault::new(Class::Unavailable, "no_notice", message)
        })?;
        Ok(Some(Notice(path)))
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        // One that is left is found to lead nowhere.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Remote {
    /// The platform that runs: where `--endpoint` says, or where the process that has the embedded log does.
    /// `None` where none runs, so that this process may.
    ///
    /// # Errors
    /// Where `--endpoint` leads to nothing, or to something else.
    pub(super) fn find(settings: &Settings, desc: &PlatformDesc) -> Result<Option<Remote>, Fault> {
        if let Some(base) = &settings.endpoint {
            let remote = Remote::at(base.trim_end_matches('/'), settings);
            remote.is_of(desc)?;
            return Ok(Some(remote));
        }
        let Some(base) = notice(&settings.log).and_then(|path| read(&path)) else {
            return Ok(None);
        };
        let remote = Remote::at(&base, settings);
        Ok(remote.is_of(desc).is_ok().then_some(remote))
    }

    fn at(base: &str, settings: &Settings) -> Remote {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(ANSWER))
            .build();
        Remote {
            agent: config.into(),
            base: base.to_owned(),
            token: settings.token.clone(),
        }
    }

    /// Whether this is the edge of such a platform.
    fn is_of(&self, desc: &PlatformDesc) -> Result<(), Fault> {
        let answer = self.ask("GET", "/readyz", &[], None)?;
        let name = answer.body.get("platform").and_then(Json::as_str);
        match name {
            Some(name) if name == desc.name => Ok(()),
            _ => {
                let found = name.map_or("something else".to_owned(), |name| format!("`{name}`"));
                let message = format!("at {} is {found}, not `{}`", self.base, desc.name);
                Err(Fault::new(Class::Invalid, "wrong_endpoint", message).at("endpoint"))
            }
        }
    }

    /// Reads what is at a path.
    ///
    /// # Errors
    /// As [`Remote::ask`] and [`Answer::into_result`].
    pub(super) fn get(&self, path: &str) -> Result<Json, Fault> {
        self.ask("GET", path, &[], None)?.into_result()
    }

    /// One request.
    ///
    /// # Errors
    /// [`Class::Unavailable`] where nothing answers.
    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: Option<&Json>,
    ) -> Result<Answer, Fault> {
        let request = self.request(method, path, headers, body)?;
        let mut response = self.agent.run(request).map_err(|error| self.away(&error))?;
        let text = response.body_mut().read_to_string();
        Ok(Answer {
            status: response.status(),
            // What is no JSON is told by its status.
            body: serde_json::from_str(&text.map_err(|error| self.away(&error))?)
                .unwrap_or(Json::Null),
        })
    }

    /// Server-sent events, by kind, until `each` breaks off or the other process ends the stream.
    ///
    /// # Errors
    /// As [`Remote::ask`] and [`Answer::into_result`]; where the connection breaks.
    pub(super) fn events(
        &self,
        path: &str,
        mut each: impl FnMut(&str, Json) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Fault> {
        let request = self.request("GET", path, &[], None)?;
        let request = self.agent.configure_request(request).timeout_global(None);
        let response = self.agent.run(request.build());
        let mut response = response.map_err(|error| self.away(&error))?;
        if !response.status().is_success() {
            let text = response.body_mut().read_to_string();
            let body = serde_json::from_str(&text.unwrap_or_default()).unwrap_or(Json::Null);
            let status = response.status();
            return Err(Answer { status, body }.fault());
        }
        let (mut kind, mut data) = (String::new(), Json::Null);
        for line in BufReader::new(response.body_mut().as_reader()).lines() {
            let line = line.map_err(|error| self.away(&error.into()))?;
            if line.is_empty() && !kind.is_empty() {
                if each(&std::mem::take(&mut kind), std::mem::take(&mut data)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            } else if let Some(name) = line.strip_prefix("event: ") {
                name.clone_into(&mut kind);
            } else if let Some(text) = line.strip_prefix("data: ") {
                data = serde_json::from_str(text).unwrap_or(Json::Null);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: Option<&Json>,
    ) -> Result<Request<String>, Fault> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {}", token.expose()));
        }
        let text = body.map(Json::to_string).unwrap_or_default();
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        request.body(text).map_err(|error| {
            let message = format!("`{}` is no address of an edge: {error}", self.base);
            Fault::new(Class::Invalid, "wrong_endpoint", message).at("endpoint")
        })
    }

    fn away(&self, error: &ureq::Error) -> Fault {
        let message = format!("{} does not answer: {error}", self.base);
        Fault::new(Class::Unavailable, "no_edge", message)
    }
}

impl Answer {
    /// What was asked for, or why it was not done.
    ///
    /// # Errors
    /// The fault in the problem document.
    pub(super) fn into_result(self) -> Result<Json, Fault> {
        match self.status.is_success() {
            true => Ok(self.body),
            false => Err(self.fault()),
        }
    }

    /// A problem document, as the command in the other process would have told it.
    fn fault(&self) -> Fault {
        let text = |pointer: &str| {
            let text = self.body.pointer(pointer).and_then(Json::as_str);
            text.unwrap_or_default().to_owned()
        };
        let class = match self.status {
            StatusCode::CONFLICT | StatusCode::NOT_FOUND => Class::Refusal,
            StatusCode::TOO_MANY_REQUESTS => Class::Bound,
            StatusCode::SERVICE_UNAVAILABLE if text("/type") == "draining" => Class::Bound,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => Class::Unavailable,
            status if status.is_client_error() => Class::Invalid,
            _ => Class::Corrupt,
        };
        let code = match text("/type") {
            none if none.is_empty() => format!("http_{}", self.status.as_u16()),
            code => code,
        };
        Fault::new(class, code, text("/detail")).at(text("/errors/0/path"))
    }
}

/// The arguments of a query, as a query string: texts as they are, all else as JSON.
pub(super) fn query_string(args: &Json) -> String {
    let pairs = args.as_object().into_iter().flatten().map(|(name, value)| {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        format!("{name}={}", utf8_percent_encode(&text, NON_ALPHANUMERIC))
    });
    let pairs: Vec<String> = pairs.collect();
    match pairs.is_empty() {
        true => String::new(),
        false => format!("?{}", pairs.join("&")),
    }
}

/// The header that names a transaction.
pub(super) fn named(id: TxnId) -> (&'static str, String) {
    (ID, id.to_string())
}

fn read(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
