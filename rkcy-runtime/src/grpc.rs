//! A platform asked over gRPC: the typed client for Rust, and what it shares with the edge.
//!
//! Owns [`Calls`], which a client in the process of the platform and one beside it both have, so that what is written
//! against it runs with either.

use crate::codegen::{
    self, Bytes, Class, Concern, ConcernDesc, Fault, OpDesc, Patch, PlatformDesc, Transaction,
    TxnId, Value, check, encode, op, result_in,
};
use crate::driver::{Client, forgotten};
use axum::http::uri::PathAndQuery;
use bytes::{Buf, BufMut};
use std::time::Duration;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic_types::StatusExt;

/// The header, and the metadata, with the id of a transaction.
pub(crate) const ID: &str = "rkcy-id";
/// The metadata that says that a result was too long to be remembered.
pub(crate) const FORGOTTEN: &str = "rkcy-result-forgotten";
/// The metadata that says that a `create` leaves nothing out.
pub(crate) const WHOLE: &str = "rkcy-whole";
/// What of an error's details says of which class its fault is.
pub(crate) const CLASS: &str = "class";

/// Messages as they are encoded: whoever has one knows of which type it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// What is asked of a platform, in its process ([`Client`]) or from elsewhere ([`Remote`]).
pub trait Calls: Send + Sync {
    /// Submits a transaction with an id of the caller's, and waits for its result: submitted twice, it runs once.
    ///
    /// # Errors
    /// Its refusal, an invalid parameter, a bound, or [`Class::Unavailable`] where the outcome is unknown.
    fn call_as<T: Transaction + Sync>(
        &self,
        id: TxnId,
        params: &T,
    ) -> impl Future<Output = Result<T::Output, Fault>> + Send;

    /// The same with an id of its own.
    ///
    /// # Errors
    /// As [`Calls::call_as`].
    fn call<T: Transaction + Sync>(
        &self,
        params: &T,
    ) -> impl Future<Output = Result<T::Output, Fault>> + Send {
        self.call_as(Client::new_id(), params)
    }

    /// Reads an instance; waits for transactions that hold it.
    ///
    /// # Errors
    /// `not_found`, or as [`Calls::call_as`].
    fn get<C: Concern<Key: Value>>(
        &self,
        key: &C::Key,
    ) -> impl Future<Output = Result<C, Fault>> + Send;

    /// Makes a new instance.
    ///
    /// # Errors
    /// `already_exists`, a constraint, or as [`Calls::call_as`].
    fn create<C: Concern + Sync>(
        &self,
        instance: &C,
    ) -> impl Future<Output = Result<C, Fault>> + Send;

    /// Changes what the patch holds; gives the instance after it.
    ///
    /// # Errors
    /// `not_found`, a constraint, or as [`Calls::call_as`].
    fn update<C: Concern<Key: Value>, P: Patch<C> + Sync>(
        &self,
        key: &C::Key,
        patch: &P,
    ) -> impl Future<Output = Result<C, Fault>> + Send;

    /// Removes an instance.
    ///
    /// # Errors
    /// `not_found`, or as [`Calls::call_as`].
    fn delete<C: Concern<Key: Value>>(
        &self,
        key: &C::Key,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

impl Calls for Client {
    async fn call_as<T: Transaction + Sync>(
        &self,
        id: TxnId,
        params: &T,
    ) -> Result<T::Output, Fault> {
        Client::call_as(self, id, params).await
    }

    async fn get<C: Concern<Key: Value>>(&self, key: &C::Key) -> Result<C, Fault> {
        Client::get(self, key).await
    }

    async fn create<C: Concern + Sync>(&self, instance: &C) -> Result<C, Fault> {
        Client::create(self, instance).await
    }

    async fn update<C: Concern<Key: Value>, P: Patch<C> + Sync>(
        &self,
        key: &C::Key,
        patch: &P,
    ) -> Result<C, Fault> {
        Client::update(self, key, patch).await
    }

    async fn delete<C: Concern<Key: Value>>(&self, key: &C::Key) -> Result<(), Fault> {
        Client::delete::<C>(self, key).await
    }
}

/// Calls transactions and operations of a platform that runs elsewhere, over gRPC. Cheap to clone.
#[derive(Clone)]
pub struct Remote {
    desc: &'static PlatformDesc,
    channel: Channel,
    token: Option<MetadataValue<Ascii>>,
    wait: Duration,
}

/// How long a call waits unless told otherwise: an edge answers within 30 s.
const WAIT: Duration = Duration::from_secs(40);
/// How long a connection may take,
const CONNECT: Duration = Duration::from_secs(10);
/// and after how long, and for how long, one without a word is asked whether it is there.
const PING: Duration = Duration::from_secs(20);

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}

/// How a client talks TLS.
#[derive(Clone, Copy)]
pub struct Tls<'a> {
    /// The authority that has signed the certificate of the edge. PEM.
    pub authority: &'a [u8],
    /// The certificate that the client shows, and its key, where the edge asks for one. PEM.
    pub identity: Option<(&'a [u8], &'a [u8])>,
}

impl std::fmt::Debug for Tls<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Remote {
    /// One of the platform whose edge is at `endpoint`, as `http://127.0.0.1:7410`; with TLS, as `https://…`. It connects
    /// with the first call, and again where the connection was lost. To be called within a runtime of tokio.
    ///
    /// # Errors
    /// Where `endpoint` is no address, or what TLS needs is not what it should be.
    pub fn new(
        desc: &'static PlatformDesc,
        endpoint: &str,
        tls: Option<Tls<'_>>,
    ) -> Result<Remote, Fault> {
        let wrong = |error: tonic::transport::Error| {
            let message = format!("`{endpoint}` cannot be asked: {}", of_source(&error));
            Fault::new(Class::Invalid, "wrong_endpoint", message)
        };
        let place = Endpoint::from_shared(endpoint.to_owned()).map_err(wrong)?;
        let is_secure = place.uri().scheme_str() == Some("https");
        if is_secure != tls.is_some() {
            let message = match is_secure {
                true => "`https` needs an authority to trust",
                false => "with TLS it begins with `https`: else all would be said in the clear",
            };
            let message = format!("`{endpoint}`: {message}");
            return Err(Fault::new(Class::Invalid, "wrong_endpoint", message));
        }
        let mut place = (place.connect_timeout(CONNECT))
            .http2_keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        if let Some(tls) = tls {
            let authority = Certificate::from_pem(tls.authority);
            let mut config = ClientTlsConfig::new().ca_certificate(authority);
            if let Some((certificate, key)) = tls.identity {
                config = config.identity(Identity::from_pem(certificate, key));
            }
            place = place.tls_config(config).map_err(wrong)?;
        }
        Ok(Remote {
            desc,
            channel: place.connect_lazy(),
            token: None,
            wait: WAIT,
        })
    }

    /// The same with a token that says who calls.
    ///
    /// # Errors
    /// Where it is no token: it holds what no header may.
    pub fn with_token(self, token: &str) -> Result<Remote, Fault> {
        let value = format!("Bearer {token}").parse();
        let value = value.map_err(|_| {
            Fault::new(
                Class::Invalid,
                "wrong_token",
                "this is no token of a header",
            )
        })?;
        let token = Some(value);
        Ok(Remote { token, ..self })
    }

    /// The same, where each call waits so long at most, in place of 40 s; an edge has a limit of its own. What has not begun
    /// by then is not begun.
    #[must_use]
    pub fn within(self, wait: Duration) -> Remote {
        Remote { wait, ..self }
    }

    /// Calls the method at `path` with an encoded request: for what is not known when the caller is compiled. Gives the
    /// encoded answer.
    ///
    /// # Errors
    /// As [`Calls::call_as`].
    pub async fn ask_raw(
        &self,
        path: &str,
        id: Option<TxnId>,
        message: Bytes,
    ) -> Result<Bytes, Fault> {
        let id = id.unwrap_or_else(Client::new_id);
        self.ask(path, id, tonic::Request::new(message)).await
    }

    async fn ask(
        &self,
        path: &str,
        id: TxnId,
        request: tonic::Request<Bytes>,
    ) -> Result<Bytes, Fault> {
        // Tonic's own limit does not count while a connection is made.
        let asked = tokio::time::timeout(self.wait, self.ask_for_ever(path, id, request)).await;
        asked.unwrap_or_else(|_| Err(away("it did not come in time")))
    }

    async fn ask_for_ever(
        &self,
        path: &str,
        id: TxnId,
        mut request: tonic::Request<Bytes>,
    ) -> Result<Bytes, Fault> {
        let path: PathAndQuery = (path.parse())
            .map_err(|_| Fault::new(Class::Invalid, "wrong_path", format!("{path} is no path")))?;
        // Hexadecimal digits and dashes.
        if let Ok(id) = id.to_string().parse() {
            request.metadata_mut().insert(ID, id);
        }
        if let Some(token) = &self.token {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        request.set_timeout(self.wait);
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready()
            .await
            .map_err(|error| away(&of_source(&error)))?;
        let answer = grpc.unary(request, path, Raw).await;
        let answer = answer.map_err(|status| fault_of(&status))?;
        if answer.metadata().contains_key(FORGOTTEN) {
            return Err(forgotten());
        }
        Ok(answer.into_inner())
    }

    async fn operate<C: Concern, O: Value>(&self, number: u16, message: Bytes) -> Result<O, Fault> {
        let (concern, op) = self.op::<C>(number)?;
        let path = self.desc.op_path(concern, op);
        let mut request = tonic::Request::new(message);
        // What is zero is not written, and is meant all the same.
        let whole = MetadataValue::from_static("true");
        request.metadata_mut().insert(WHOLE, whole);
        result_in(self.ask(&path, Client::new_id(), request).await?)
    }

    fn op<C: Concern>(
        &self,
        number: u16,
    ) -> Result<(&'static ConcernDesc, &'static OpDesc), Fault> {
        let concern = self.desc.ranked(C::ID);
        let op = self.desc.op(C::ID, number);
        (concern.zip(op)).ok_or_else(|| codegen::unknown_op(C::NAME, number))
    }
}

impl Calls for Remote {
    async fn call_as<T: Transaction + Sync>(
        &self,
        id: TxnId,
        params: &T,
    ) -> Result<T::Output, Fault> {
        check(params)?;
        let desc = self.desc.numbered(T::NUMBER);
        let desc = desc.ok_or_else(|| codegen::unknown_transaction(T::NUMBER))?;
        let path = self.desc.transaction_path(desc);
        let request = tonic::Request::new(encode(params));
        result_in(self.ask(&path, id, request).await?)
    }

    async fn get<C: Concern<Key: Value>>(&self, key: &C::Key) -> Result<C, Fault> {
        let request = codegen::request(key, &Bytes::new());
        self.operate::<C, C>(op::GET, request).await
    }

    async fn create<C: Concern + Sync>(&self, instance: &C) -> Result<C, Fault> {
        check(instance)?;
        self.operate::<C, C>(op::CREATE, encode(instance)).await
    }

    async fn update<C: Concern<Key: Value>, P: Patch<C> + Sync>(
        &self,
        key: &C::Key,
        patch: &P,
    ) -> Result<C, Fault> {
        check(patch)?;
        let request = codegen::request(key, &encode(patch));
        self.operate::<C, C>(op::UPDATE, request).await
    }

    async fn delete<C: Concern<Key: Value>>(&self, key: &C::Key) -> Result<(), Fault> {
        let request = codegen::request(key, &Bytes::new());
        self.operate::<C, ()>(op::DELETE, request).await
    }
}

/// The fault that a status tells.
fn fault_of(status: &Status) -> Fault {
    let details = status.get_error_details();
    let Some(info) = details.error_info() else {
        // Not the edge's: of the connection, or of somebody on the way.
        let behind = std::error::Error::source(status).map(of_source);
        return away(&behind.unwrap_or_else(|| status.message().to_owned()));
    };
    let class = info.metadata.get(CLASS).and_then(|word| Class::named(word));
    let message = status.message().to_owned();
    let fault = Fault::new(
        class.unwrap_or(Class::Unavailable),
        info.reason.clone(),
        message,
    );
    match info.metadata.get("path") {
        Some(path) => fault.at(path.clone()),
        None => fault,
    }
}

fn away(why: &str) -> Fault {
    let message = format!("no answer has come, so the outcome is unknown: {why}");
    Fault::new(Class::Unavailable, "outcome_unknown", message)
}

/// An error with what is behind it: tonic's own says no more than "transport error".
fn of_source(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
