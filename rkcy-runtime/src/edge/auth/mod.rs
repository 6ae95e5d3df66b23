//! Who may ask: bearer tokens, roles, TLS.
//!
//! Owns what a request must show before anything else of it is read.
//!
//! ```text
//! Settings ─► Security: Keys ─► Tokens ─► Who: the caller message, the subject, whether an operator
//!                       Tls ─► a connection
//!                       Rates: how much of it
//! ```

mod keys;
mod rates;
mod settings;
mod tls;
mod tokens;

use super::Gate;
use super::problem::Problem;
use crate::codegen::PlatformDesc;
use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
pub(super) use rates::Peer;
use rates::Rates;
pub use settings::Settings;
use std::sync::Arc;
pub(super) use tls::Tls;
use tokens::Tokens;
pub(super) use tokens::Who;

/// What the edge asks of its callers. Without keys it verifies nobody: then a platform that declares a `caller` answers
/// nobody, unless told that requests without a token will do.
#[derive(Clone, Default)]
pub struct Security {
    tokens: Option<Arc<Tokens>>,
    anonymous: bool,
    tls: Option<Tls>,
    rates: Option<Arc<Rates>>,
}

impl std::fmt::Debug for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Security").finish_non_exhaustive()
    }
}

impl Security {
    /// One that takes requests without a token, as nobody's.
    #[must_use]
    pub fn anonymous() -> Security {
        Security {
            anonymous: true,
            ..Security::default()
        }
    }

    /// Whether callers have to show a token, or a certificate.
    #[must_use]
    pub fn asks(&self) -> bool {
        let by_token = self.tokens.is_some() && !self.anonymous;
        by_token || self.tls.as_ref().is_some_and(Tls::asks)
    }

    /// Whether there is a `caller` in the schema, and no token that anybody could show.
    #[must_use]
    pub fn answers_nobody(&self, desc: &PlatformDesc) -> bool {
        desc.caller.is_some() && self.tokens.is_none() && !self.anonymous
    }

    /// Whether it talks TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Who asks; a request more of theirs, or of the address where a token is not good.
    pub(super) fn admit(
        &self,
        desc: &PlatformDesc,
        headers: &HeaderMap,
        request: &Extensions,
    ) -> Result<Who, Problem> {
        let who = self.who(desc, headers);
        if let Some(rates) = &self.rates {
            rates.admit(who.as_ref().ok(), request)?;
        }
        who
    }

    fn who(&self, desc: &PlatformDesc, headers: &HeaderMap) -> Result<Who, Problem> {
        let mut all = headers.get_all(header::AUTHORIZATION).iter();
        let given = match (all.next(), all.next()) {
            (None, _) => None,
            (Some(one), None) => Some(one),
            (Some(_), Some(_)) => return Err(unknown(desc, Some("it is given twice"))),
        };
        let Some(given) = given else {
            let needs = desc.caller.is_some() || self.tokens.is_some();
            return match needs && !self.anonymous {
                true => Err(unknown(desc, None)),
                false => Ok(Who::default()),
            };
        };
        let Some(tokens) = &self.tokens else {
            let why = "this edge has no keys to verify tokens with";
            return Err(unknown(desc, Some(why)));
        };
        let bearer = given.to_str().ok().and_then(bearer);
        let token = bearer.ok_or_else(|| unknown(desc, Some("`Bearer TOKEN` was expected")))?;
        tokens
            .who(desc, token)
            .map_err(|why| unknown(desc, Some(&why)))
    }
}

/// The token in `Bearer TOKEN`.
fn bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}

/// Nobody knows who asks (RFC 6750). `why`: what is wrong with what was given.
fn unknown(desc: &PlatformDesc, why: Option<&str>) -> Problem {
    let (code, message, error) = match why {
        Some(why) => (
            "invalid_token",
            format!("the token is not taken: {why}"),
            ", error=\"invalid_token\"",
        ),
        None => (
            "no_token",
            "a token was expected: `Authorization: Bearer TOKEN`".to_owned(),
            "",
        ),
    };
    let challenge = format!("Bearer realm=\"{}\"{error}", desc.name);
    Problem::of(StatusCode::UNAUTHORIZED, code, message).challenging(&challenge)
}

/// Lets in who says who it is; what comes behind finds [`Who`] in the request.
pub(super) async fn identify(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (headers, extensions) = (request.headers(), request.extensions());
    let who = gate.security.admit(gate.desc, headers, extensions)?;
    request.extensions_mut().insert(who);
    Ok(next.run(request).await)
}

/// Lets in operators, where callers say who they are.
pub(super) async fn operators(
    State(gate): State<Arc<Gate>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let is_admin = (request.extensions().get::<Who>()).is_some_and(|who| who.is_admin);
    let asks = gate.security.tokens.is_some();
    if asks && !is_admin {
        let message = "this is for operators: the token has not their role";
        return Err(Problem::of(
            StatusCode::FORBIDDEN,
            "not_an_operator",
            message,
        ));
    }
    Ok(next.run(request).await)
}
