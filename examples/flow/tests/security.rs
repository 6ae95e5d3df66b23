//! Who may ask at the edge: tokens that are good, forged, or of another time or place; roles; TLS.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../rkcy-runtime/tests/support/embedded.rs"]
mod embedded;
#[path = "../../../rkcy-runtime/tests/support/house.rs"]
mod house;

use flow::generated::txn::{Make, Place};
use flow::generated::{Session, Shelf};
use house::{Answer, House};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use rkcy_runtime::codegen::serde_json::{Value as Json, json};
use rkcy_runtime::codegen::{
    Bytes, Call, CallerContext, ConcernId, Fault, Logic, Partitions, Platform, Ref, Rest, Row, Txn,
    Uuid,
};
use rkcy_runtime::edge::{Limits, Settings};
use rkcy_runtime::grpc::{Calls, Remote, Tls};
use rkcy_runtime::testing::TestPlatform;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const SECRET: &[u8] = b"a secret of the tests, and of nothing else";
const RSA: &[u8] = include_bytes!("keys/rsa.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("keys/rsa_public.pem");

/// A file with keys.
struct File(TempDir);

impl File {
    fn new(bytes: &[u8]) -> File {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), bytes).unwrap();
        File(dir)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("file")
    }
}

fn settings(keys: &File) -> Settings {
    Settings {
        keys: Some(keys.path()),
        audience: Some("flow".to_owned()),
        issuer: Some("tests".to_owned()),
        ..Settings::default()
    }
}

fn house(settings: &Settings) -> House {
    House::guarded(flow::platform(), Limits::default(), settings)
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

/// The claims of somebody, good for a minute.
fn claims(name: &str) -> Json {
    json!({
        "iss": "tests", "aud": ["flow", "others"], "sub": name, "exp": now() + 60, "nbf": now() - 1,
        "name": name, "clerk": "6a1b1ca2-0f6b-4a8c-8f6a-0d3d7d6a9b11", "email": "not of the message",
    })
}

fn with(mut claims: Json, name: &str, value: Json) -> Json {
    claims[name] = value;
    claims
}

fn signed(claims: &Json) -> String {
    let key = EncodingKey::from_secret(SECRET).unwrap();
    encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

fn ask(house: &House, method: &str, path: &str, token: &str, body: &Json) -> Answer {
    let token = format!("Bearer {token}");
    let headers = [
        ("authorization", token.as_str()),
        ("content-type", "application/json"),
    ];
    house.ask(method, path, &headers, body.to_string().as_bytes())
}

/// Makes a customer, and has it place an order of nothing: which looks at who calls.
fn place(house: &House, token: &str) -> Answer {
    let make = json!({ "name": "anna", "stock": 1 });
    let made = ask(house, "POST", "/v1/txn/make", token, &make);
    if made.status != 200 {
        return made;
    }
    let customer = made.body["result"]["id"].clone();
    let body = json!({ "customer": customer, "lines": [] });
    ask(house, "POST", "/v1/txn/place", token, &body)
}

#[test]
fn who_bears_a_good_token_is_known_to_transactions() {
    let keys = File::new(SECRET);
    let house = house(&settings(&keys));
    place(&house, &signed(&claims("anna"))).ok(200);
    // By one audience alone, as a text.
    let token = signed(&with(claims("anna"), "aud", json!("flow")));
    place(&house, &token).ok(200);
    let scheme = format!("bearer {token}");
    let lower = house.ask(
        "GET",
        "/v1/c/Customer/x",
        &[("authorization", &scheme)],
        b"",
    );
    assert_ne!(lower.status, 401);
    // What is told of the platform itself needs none.
    for open in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/console",
    ] {
        assert_eq!(house.get(open).status, 200, "{open}");
    }
}

#[test]
fn a_token_that_is_not_good_is_told_so() {
    let keys = File::new(SECRET);
    let house = house(&settings(&keys));
    let none = house.get("/v1/c/Customer/x");
    none.problem(401, "no_token");
    assert_eq!(none.challenge.as_deref(), Some("Bearer realm=\"flow\""));
    let forged =
        EncodingKey::from_secret(b"another secret, of somebody who forges tokens").unwrap();
    let forged = encode(&Header::new(Algorithm::HS256), &claims("anna"), &forged).unwrap();
    let other = encode(
        &Header::new(Algorithm::HS384),
        &claims("anna"),
        &EncodingKey::from_secret(SECRET).unwrap(),
    );
    let good = signed(&claims("anna"));
    let parts: Vec<&str> = good.split('.').collect();
    let swapped = signed(&claims("bert"));
    let swapped = format!(
        "{}.{}.{}",
        parts[0],
        swapped.split('.').nth(1).unwrap(),
        parts[2]
    );
    // {"alg":"none","typ":"JWT"}
    let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let mut without_end = claims("anna");
    without_end.as_object_mut().unwrap().remove("exp");
    let bad = [
        forged,
        other.unwrap(),
        swapped,
        format!("{unsigned}.{}.", parts[1]),
        format!("{unsigned}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        signed(&with(claims("anna"), "exp", json!(now() - 60))),
        signed(&with(claims("anna"), "exp", json!("tomorrow"))),
        signed(&without_end),
        signed(&with(claims("anna"), "nbf", json!(now() + 60))),
        signed(&with(claims("anna"), "nbf", json!("yesterday"))),
        signed(&with(claims("anna"), "aud", json!("others"))),
        signed(&with(claims("anna"), "aud", json!([]))),
        signed(&with(claims("anna"), "iss", json!("elsewhere"))),
        // Well signed, and no caller of the schema.
        signed(&with(claims("anna"), "clerk", json!("nobody"))),
        signed(&with(claims("anna"), "name", json!("n".repeat(33)))),
        "x".repeat(20_000),
        String::new(),
    ];
    for token in bad {
        let answer = place(&house, &token);
        answer.problem(401, "invalid_token");
        let challenge = answer.challenge.unwrap();
        assert!(
            challenge.ends_with("error=\"invalid_token\""),
            "{challenge}"
        );
        assert!(token.is_empty() || !answer.body.to_string().contains(&token));
    }
    for scheme in ["Basic YTpi", "Bearer", "Digest x"] {
        let answer = house.ask("GET", "/v1/id", &[("authorization", scheme)], b"");
        answer.problem(401, "invalid_token");
    }
    let twice = format!("Bearer {good}");
    let twice = [
        ("authorization", twice.as_str()),
        ("authorization", "Bearer x"),
    ];
    house
        .ask("GET", "/v1/id", &twice, b"")
        .problem(401, "invalid_token");
}

#[test]
fn public_keys_verify_what_their_private_keys_have_signed() {
    let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let ed = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let cases = [
        (
            Algorithm::RS256,
            RSA_PUBLIC.to_vec(),
            EncodingKey::from_rsa_pem(RSA),
        ),
        (
            Algorithm::ES256,
            ec.public_key_pem().into_bytes(),
            EncodingKey::from_ec_pem(ec.serialize_pem().as_bytes()),
        ),
        (
            Algorithm::EdDSA,
            ed.public_key_pem().into_bytes(),
            EncodingKey::from_ed_pem(ed.serialize_pem().as_bytes()),
        ),
    ];
    for (algorithm, public, private) in cases {
        let keys = File::new(&public);
        let house = house(&settings(&keys));
        let token = encode(&Header::new(algorithm), &claims("anna"), &private.unwrap()).unwrap();
        place(&house, &token).ok(200);
        // A public key is no secret to sign with.
        let confused = EncodingKey::from_secret(&public).unwrap();
        let confused = encode(&Header::new(Algorithm::HS256), &claims("anna"), &confused).unwrap();
        place(&house, &confused).problem(401, "invalid_token");
        place(&house, &signed(&claims("anna"))).problem(401, "invalid_token");
    }
}

#[test]
fn a_key_of_a_set_is_found_by_its_name() {
    use jsonwebtoken::jwk::Jwk;
    let rsa = EncodingKey::from_rsa_pem(RSA).unwrap();
    let secret = EncodingKey::from_secret(SECRET).unwrap();
    let mut set = Vec::new();
    for (name, key, algorithm) in [
        ("a", &rsa, Algorithm::RS256),
        ("b", &secret, Algorithm::HS256),
    ] {
        let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
        jwk.common.key_id = Some(name.to_owned());
        set.push(jwk);
    }
    let keys = File::new(json!({ "keys": set }).to_string().as_bytes());
    let house = house(&settings(&keys));
    let token = |id: Option<&str>, algorithm, key: &EncodingKey| {
        let mut header = Header::new(algorithm);
        header.kid = id.map(str::to_owned);
        encode(&header, &claims("anna"), key).unwrap()
    };
    for id in [Some("a"), None] {
        place(&house, &token(id, Algorithm::RS256, &rsa)).ok(200);
    }
    place(&house, &token(Some("b"), Algorithm::HS256, &secret)).ok(200);
    for id in ["a", "c"] {
        let token = token(Some(id), Algorithm::HS256, &secret);
        place(&house, &token).problem(401, "invalid_token");
    }
}

#[test]
fn operators_have_a_role() {
    let keys = File::new(SECRET);
    let house = house(&Settings {
        roles: "realm.roles".to_owned(),
        ..settings(&keys)
    });
    let user = signed(&with(
        claims("anna"),
        "realm",
        json!({ "roles": ["clerk"] }),
    ));
    let wrong = signed(&with(claims("anna"), "roles", json!(["admin"])));
    let id = ask(
        &house,
        "POST",
        "/v1/txn/make",
        &user,
        &json!({ "name": "a", "stock": 1 }),
    );
    let id = id.id.unwrap();
    let calls = [
        ("GET", "/v1/id".to_owned()),
        ("POST", format!("/v1/id/{id}/cancel")),
        ("POST", format!("/v1/id/{id}/resume")),
    ];
    for (method, path) in &calls {
        for token in [&user, &wrong] {
            ask(&house, method, path, token, &Json::Null).problem(403, "not_an_operator");
        }
        house.ask(method, path, &[], b"").problem(401, "no_token");
        for roles in [json!(["x", "admin"]), json!("x admin")] {
            let admin = signed(&with(claims("root"), "realm", json!({ "roles": roles })));
            let status = ask(&house, method, path, &admin, &Json::Null).status;
            assert!(![401, 403].contains(&status), "{method} {path}: {status}");
        }
    }
    // Who knows the id of a transaction may ask where it is.
    let status = ask(&house, "GET", &format!("/v1/id/{id}"), &user, &Json::Null).status;
    assert!([200, 404].contains(&status));
}

#[test]
fn idempotency_keys_of_different_callers_do_not_meet() {
    let keys = File::new(SECRET);
    let house = house(&settings(&keys));
    let make = |claims: &Json, name: &str, says: Option<&str>| {
        let token = format!("Bearer {}", signed(claims));
        let mut headers = vec![
            ("authorization", token.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", "1"),
        ];
        headers.extend(says.map(|says| ("rkcy-caller", says)));
        let body = json!({ "name": name, "stock": 1 }).to_string();
        house.ask("POST", "/v1/txn/make", &headers, body.as_bytes())
    };
    let anna = make(&claims("anna"), "a", None).ok(200)["result"]["id"].clone();
    assert_eq!(
        make(&claims("anna"), "a", None).ok(200)["result"]["id"],
        anna
    );
    make(&claims("anna"), "b", None).problem(409, "key_reused");
    // Another caller; one who is the same message with another subject; one who says that it is another.
    make(&claims("bert"), "b", None).ok(200);
    make(&with(claims("anna"), "sub", json!("other")), "b", None).ok(200);
    make(&claims("carl"), "b", Some("anna")).ok(200);
}

#[test]
fn without_keys_nobody_is_verified() {
    let closed = house(&Settings::default());
    closed.get("/v1/id").problem(401, "no_token");
    place(&closed, &signed(&claims("anna"))).problem(401, "invalid_token");
    let open = House::of(flow::platform(), Limits::default());
    let make = open.post("/v1/txn/make", &json!({ "name": "anna", "stock": 1 }));
    let body = json!({ "customer": make.ok(200)["result"]["id"], "lines": [] });
    // What looks at who calls is not done for nobody.
    open.post("/v1/txn/place", &body).problem(422, "no_caller");
    // A token that cannot be verified is not passed over.
    place(&open, &signed(&claims("anna"))).problem(401, "invalid_token");
}

#[test]
fn who_shows_no_token_may_be_taken_as_nobody() {
    let keys = File::new(SECRET);
    let house = house(&Settings {
        anonymous: true,
        ..settings(&keys)
    });
    assert_eq!(house.get("/v1/id").status, 403, "nobody is an operator");
    place(&house, &signed(&claims("anna"))).ok(200);
    place(&house, "x").problem(401, "invalid_token");
}

// ---- TLS

/// An authority, with a certificate for the edge and one for a caller.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Authority { issuer, dir }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a certificate and its key.
    fn certify(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &*self.issuer).unwrap();
        let (at, with) = (
            self.file(&format!("{name}.pem")),
            self.file(&format!("{name}.key")),
        );
        std::fs::write(&at, certificate.pem()).unwrap();
        std::fs::write(&with, key.serialize_pem()).unwrap();
        (at, with)
    }

    /// What is answered to one who trusts this authority, and shows a certificate or none.
    fn get(&self, house: &House, shows: Option<&(PathBuf, PathBuf)>) -> std::io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.file("ca.pem"))).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shows {
            None => builder.with_no_client_auth(),
            Some((at, key)) => {
                let key = PrivateKeyDer::from_pem_file(key).unwrap();
                builder
                    .with_client_auth_cert(vec![certificate(at)], key)
                    .unwrap()
            }
        };
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = StreamOwned::new(client, TcpStream::connect(house.addr())?);
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

fn certificate(file: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file).unwrap()
}

fn over_tls(own: &(PathBuf, PathBuf), client_ca: Option<PathBuf>) -> House {
    house(&Settings {
        certificate: Some(own.0.clone()),
        key: Some(own.1.clone()),
        client_ca,
        ..Settings::default()
    })
}

#[test]
fn what_is_said_is_said_over_tls() {
    let authority = Authority::new();
    let house = over_tls(&authority.certify("edge"), None);
    assert!(
        authority
            .get(&house, None)
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    // Another authority is not trusted by the caller, and plain HTTP is not answered.
    assert!(Authority::new().get(&house, None).is_err());
    let mut plain = TcpStream::connect(house.addr()).unwrap();
    plain
        .write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[test]
fn callers_show_a_certificate_where_that_is_asked() {
    let authority = Authority::new();
    let house = over_tls(&authority.certify("edge"), Some(authority.file("ca.pem")));
    let known = authority.certify("caller");
    assert!(
        authority
            .get(&house, Some(&known))
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    assert!(authority.get(&house, None).is_err());
    let others = Authority::new();
    let stranger = others.certify("stranger");
    assert!(authority.get(&house, Some(&stranger)).is_err());
}

#[test]
fn over_grpc_callers_are_known_in_the_same_way() {
    let (authority, keys) = (Authority::new(), File::new(SECRET));
    let (at, key) = authority.certify("edge");
    let house = house(&Settings {
        certificate: Some(at),
        key: Some(key),
        client_ca: Some(authority.file("ca.pem")),
        ..settings(&keys)
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _context = runtime.enter();
    let (at, key) = authority.certify("caller");
    let read = |file: &Path| std::fs::read(file).unwrap();
    let (ca, at, key) = (read(&authority.file("ca.pem")), read(&at), read(&key));
    let endpoint = format!("https://localhost:{}", house.addr().port());
    let client = |identity| {
        let authority = ca.as_slice();
        let tls = Tls {
            authority,
            identity,
        };
        Remote::new(flow::platform().desc, &endpoint, Some(tls)).unwrap()
    };
    let make = Make {
        name: "anna".to_owned(),
        stock: 1,
    };
    let told = |client: Remote| {
        let fault = runtime.block_on(client.call(&make)).unwrap_err();
        fault.code.to_string()
    };
    let known = || client(Some((at.as_slice(), key.as_slice())));
    let anna = known().with_token(&signed(&claims("anna"))).unwrap();
    let customer = runtime.block_on(anna.call(&make)).unwrap();
    let place = Place {
        customer: Ref::new(customer.id()),
        lines: Vec::new(),
        note: None,
    };
    runtime.block_on(anna.call(&place)).unwrap();
    assert_eq!(told(known()), "no_token");
    let forged = known().with_token("forged").unwrap();
    assert_eq!(told(forged), "invalid_token");
    assert_eq!(told(client(None)), "outcome_unknown");
}

#[test]
fn certificates_that_are_none_are_told_of() {
    let authority = Authority::new();
    let (at, key) = authority.certify("edge");
    let (_, other) = authority.certify("other");
    let path = |at: &Path, key: &Path, ca: Option<PathBuf>| {
        let settings = Settings {
            certificate: Some(at.to_owned()),
            key: Some(key.to_owned()),
            client_ca: ca,
            ..Settings::default()
        };
        settings.load().unwrap_err().path.into_owned()
    };
    assert_eq!(path(&at, &at, None), "edge.key");
    assert_eq!(path(&key, &key, None), "edge.certificate");
    assert_eq!(path(&at, &other, None), "edge.certificate");
    assert_eq!(path(&at, &key, Some(key.clone())), "edge.client_ca");
    assert_eq!(path(&at, &key, Some("/nowhere".into())), "edge.client_ca");
}

// ---- what handlers know

/// Refuses every operation with the name of who calls, as its handler is told it.
struct Telling;

impl Partitions for Telling {
    fn partitions(&self, _: ConcernId) -> u16 {
        1
    }
}

impl Logic for Telling {
    fn schema(&self) -> u64 {
        1
    }

    fn run(&self, call: &Call<'_>, _: &mut Row) -> Result<Bytes, Fault> {
        let caller = call.context.called_by::<Session>();
        let name = caller.map_or_else(|| "nobody".to_owned(), |caller| caller.name);
        Err(Fault::refusal("told", name))
    }

    fn resume(&self, _: &Txn) -> Result<Rest, Fault> {
        Ok(Rest::default())
    }

    fn concern_name(&self, _: ConcernId) -> &str {
        "Shelf"
    }
}

#[test]
fn a_handler_knows_who_calls() {
    let mut platform = TestPlatform::new(Platform {
        logic: |_| Arc::new(Telling),
        ..flow::platform()
    });
    let told = |platform: &mut TestPlatform| {
        let refused = platform.get::<Shelf>(&Uuid::from_u128(1)).unwrap_err();
        assert_eq!(refused.code, "told");
        refused.message
    };
    assert_eq!(told(&mut platform), "nobody");
    platform.set_caller(&Session {
        name: "anna".to_owned(),
        clerk: Uuid::from_u128(2),
    });
    assert_eq!(told(&mut platform), "anna");
    // One that cannot be read is nobody's: a session has a clerk.
    platform.set_caller(&"anna".to_owned());
    assert_eq!(told(&mut platform), "nobody");
}
