//! A platform with an edge, and one who asks there over HTTP.
#![allow(dead_code, reason = "each test target uses its part")]

use super::embedded::Place;
use rkcy_runtime::codegen::serde_json::{self, Value as Json};
use rkcy_runtime::codegen::{Platform, PlatformDesc};
use rkcy_runtime::driver::{Audit, Running};
use rkcy_runtime::edge::{Edge, Limits, Settings};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use ureq::http::Request;

/// A platform with an edge.
pub(crate) struct House {
    pub(crate) edge: Option<Edge>,
    pub(crate) running: Option<Running>,
    agent: ureq::Agent,
    pub(crate) place: Place,
    desc: &'static PlatformDesc,
    security: Settings,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) id: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) retry: Option<String>,
    pub(crate) allow: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) challenge: Option<String>,
    pub(crate) body: Json,
}

impl House {
    /// One that asks nobody who they are.
    pub(crate) fn of(platform: Platform, limits: Limits) -> House {
        House::guarded(
            platform,
            limits,
            &Settings {
                anonymous: true,
                ..Settings::default()
            },
        )
    }

    /// One that asks callers for what the settings say.
    pub(crate) fn guarded(platform: Platform, limits: Limits, security: &Settings) -> House {
        House::at(Place::new(platform.clone()), platform, limits, security)
    }

    /// One that asks nobody who they are, and whose audit tells of everything.
    pub(crate) fn audited(platform: Platform, limits: Limits) -> House {
        let mut place = Place::new(platform.clone());
        place.audit = Audit::All;
        let security = Settings {
            anonymous: true,
            ..Settings::default()
        };
        House::at(place, platform, limits, &security)
    }

    fn at(place: Place, platform: Platform, limits: Limits, security: &Settings) -> House {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        let mut house = House {
            edge: None,
            running: None,
            agent: agent.into(),
            place,
            desc: platform.desc,
            security: security.clone(),
        };
        house.open(limits);
        house
    }

    fn open(&mut self, limits: Limits) {
        let running = self.place.start();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let security = self.security.load().unwrap();
        self.edge = Some(Edge::start(self.desc, &running, any, limits, security).unwrap());
        self.running = Some(running);
    }

    /// Stops the platform, and starts it again on the same files.
    pub(crate) fn restart(&mut self) {
        self.close();
        self.open(Limits::default());
    }

    fn close(&mut self) {
        drop(self.edge.take());
        if let Some(running) = self.running.take() {
            running.stop().unwrap();
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.edge.as_ref().unwrap().addr()
    }

    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.asker().ask(method, path, headers, body)
    }

    /// One who asks, on a thread of its own.
    pub(crate) fn asker(&self) -> Asker {
        Asker {
            agent: self.agent.clone(),
            addr: self.addr(),
        }
    }

    pub(crate) fn post(&self, path: &str, body: &Json) -> Answer {
        self.send("POST", path, body)
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &Json) -> Answer {
        let json = [("content-type", "application/json")];
        self.ask(method, path, &json, body.to_string().as_bytes())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    /// All that is answered at a path, its head too, as text.
    pub(crate) fn text(&self, path: &str) -> String {
        let ask = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let mut stream = TcpStream::connect(self.addr()).unwrap();
        spoken(&mut stream, ask.as_bytes())
    }
}

/// What is answered to these bytes, until the connection is closed.
pub(crate) fn spoken(stream: &mut TcpStream, bytes: &[u8]) -> String {
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// One who asks an edge.
pub(crate) struct Asker {
    agent: ureq::Agent,
    addr: SocketAddr,
}

impl Asker {
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let uri = format!("http://{}{path}", self.addr);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = self.agent.run(request.body(body).unwrap()).unwrap();
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let (kind, id) = (
            header("content-type").unwrap_or_default(),
            header("rkcy-id"),
        );
        let (tag, challenge) = (header("etag"), header("www-authenticate"));
        let (location, retry, allow) = (header("location"), header("retry-after"), header("allow"));
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string().unwrap();
        Answer {
            status,
            kind,
            id,
            location,
            retry,
            allow,
            tag,
            challenge,
            body: serde_json::from_str(&text).unwrap_or(Json::Null),
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.close();
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn ok(&self, status: u16) -> &Json {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.kind, "application/json");
        assert!(self.id.is_some(), "{self:?}");
        &self.body
    }

    /// Told why not, in a problem document.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, name: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.kind, "application/problem+json", "{self:?}");
        assert_eq!(self.body["type"], name, "{self:?}");
        assert_eq!(self.body["status"], status);
        assert!(
            self.body["detail"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
        assert_eq!(self.retry.is_some(), status == 429 || status == 503);
    }

    /// Told why not, at this field.
    #[track_caller]
    pub(crate) fn at(&self, name: &str, path: &str) {
        self.problem(422, name);
        assert_eq!(self.body["errors"][0]["path"], path, "{self:?}");
    }
}
