//! The edge: transactions, operations and reads of a platform over HTTP and gRPC.
//!
//! Owns the front door: what it takes, and how much of it at a time. What is asked for goes the same way as by
//! the command line, through [`Client`]; the edge knows no more of the platform than its description.
//!
//! ```text
//! serve: connections ─► auth: who asks ─┬─► rest: paths ─► request: names and JSON ─┬─► Client ─► the log
//!                                       ├─► grpc: services, protobuf ───────────────┘
//!                                       │    problem: what is not done, and why
//!                                       └─► pages: health, metrics, OpenAPI, .proto
//! ```

mod about;
mod asked;
mod auth;
mod body;
mod conditional;
mod events;
mod grpc;
mod metrics;
mod pages;
mod problem;
mod request;
mod rest;
mod serve;

pub use auth::{Security, Settings};

use crate::codegen::{ConcernDesc, Key, PlatformDesc};
use crate::driver::tail::Tail;
use crate::driver::{Client, Running};
use metrics::Metrics;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rkcy_core::fault::{Class, Fault};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// What an edge takes at most.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// A body has come by then.
    pub body: Duration,
    /// The head of a request has come by then.
    pub head: Duration,
    /// A response is given by then: the outcome is unknown where it is not known yet.
    pub request: Duration,
    /// Requests at work.
    pub requests: usize,
    /// Callers that listen to how transactions end.
    pub listeners: usize,
    /// Connections that are open; who comes beyond waits to be let in.
    pub connections: usize,
    /// What is at work when the edge stops is waited for so long.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes: 1 << 20,
            body: Duration::from_secs(10),
            head: Duration::from_secs(10),
            request: Duration::from_secs(30),
            requests: 10_000,
            listeners: 100,
            connections: 20_000,
            drain: Duration::from_secs(10),
        }
    }
}

/// What all requests share.
struct Gate {
    desc: &'static PlatformDesc,
    client: Client,
    limits: Limits,
    security: Security,
    /// One for each request that may be at work.
    places: Semaphore,
    /// One for each who may listen.
    listeners: Arc<Semaphore>,
    tail: Tail,
    metrics: Metrics,
    /// Whether the edge has been told to stop.
    stopping: watch::Receiver<bool>,
    /// How many rows this process has written to the database.
    rows_stored: Arc<AtomicU64>,
}

impl Gate {
    fn is_draining(&self) -> bool {
        *self.stopping.borrow()
    }
}

/// An edge at work. Dropped, it ends at once; [`Edge::stop`] lets it finish what it has begun.
pub struct Edge {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    serving: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

/// Threads that talk HTTP: what they wait for is done elsewhere.
const THREADS: usize = 2;

impl Edge {
    /// Listens at `addr`, and serves what `running` runs from then on. Stop it first: what it has taken is answered
    /// as long as the platform is at work. `security` says who may ask.
    ///
    /// # Errors
    /// [`Class::Unavailable`] where the address cannot be had: another process has it, or this machine has it not.
    pub fn start(
        desc: &'static PlatformDesc,
        running: &Running,
        addr: SocketAddr,
        limits: Limits,
        security: Security,
    ) -> Result<Edge, Fault> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("edge")
            .enable_all()
            .build()
            .map_err(|error| Fault::new(Class::Unavailable, "no_threads", error.to_string()))?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind(addr));
        let listener = listener.map_err(|error| cannot_listen(addr, &error))?;
        let addr = (listener.local_addr()).map_err(|error| cannot_listen(addr, &error))?;
        let (stop, stopping) = watch::channel(false);
        let gate = Arc::new(Gate {
            desc,
            client: running.client(),
            places: Semaphore::new(limits.requests),
            listeners: Arc::new(Semaphore::new(limits.listeners)),
            tail: running.tail(),
            limits,
            security,
            metrics: Metrics::new(),
            stopping,
            rows_stored: running.stored_rows(),
        });
        let serving = runtime.spawn(serve::serve(listener, gate));
        Ok(Edge {
            addr,
            stop,
            serving: Some(serving),
            runtime: Some(runtime),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no new connections, and waits until what is at work is answered, as long as [`Limits::drain`] says.
    pub fn stop(mut self) {
        // Where nobody listens any more it has ended.
        let _ = self.stop.send(true);
        if let (Some(serving), Some(runtime)) = (self.serving.take(), &self.runtime) {
            let _ = runtime.block_on(serving);
        }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Allowed also where one must not wait: in another runtime's task.
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edge")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

/// What is escaped in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b',');

/// The path of an instance.
pub(crate) fn instance_path(concern: &ConcernDesc, key: &Key) -> String {
    let key = (concern.key_to_text)(key);
    let key = utf8_percent_encode(&key, SEGMENT);
    format!("/v1/c/{}/{key}", concern.name)
}

fn cannot_listen(addr: SocketAddr, error: &std::io::Error) -> Fault {
    let remedy = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            ": another process listens there; name another port by --listen, or 0 for any"
        }
        _ => "",
    };
    let message = format!("{addr} cannot be listened at: {error}{remedy}");
    Fault::new(Class::Unavailable, "cannot_listen", message).at("listen")
}
