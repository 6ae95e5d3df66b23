//! How much one caller may ask for.
//!
//! Owns the rate of each caller, by its token, or by the address that it asks from where it shows none. It is a bucket of tokens
//! that fills at a fixed rate (GCRA, as in ATM Forum TM 4.0): who has been quiet may ask for a burst.

use super::tokens::Who;
use crate::codegen::{Bytes, Class, Fault};
use axum::http::Extensions;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

/// Callers who have been quiet for long enough are forgotten after so many requests; so there are at most so many more
/// than those who are not.
const SWEEP: u32 = 1 << 16;

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Peer(pub(in super::super) IpAddr);

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Caller {
    Subject(Bytes),
    Address(IpAddr),
}

/// The rates of all callers.
pub(super) struct Rates {
    per_second: NonZeroU32,
    limiter: DefaultKeyedRateLimiter<Caller>,
    asked: AtomicU32,
}

impl Rates {
    /// So many requests a second for each, and so many at once.
    pub(super) fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Rates {
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Rates {
            per_second,
            limiter: RateLimiter::keyed(quota),
            asked: AtomicU32::new(0),
        }
    }

    /// Counts a request; `who` asks, as far as that is known.
    ///
    /// # Errors
    /// `rate_limited` where it is one too many.
    pub(super) fn admit(&self, who: Option<&Who>, request: &Extensions) -> Result<(), Fault> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.limiter.retain_recent();
        }
        let subject = who.map(|who| &who.subject).filter(|it| !it.is_empty());
        let caller = match (subject, request.get()) {
            (Some(subject), _) => Caller::Subject(subject.clone()),
            (None, Some(Peer(address))) => Caller::Address(network(*address)),
            (None, None) => return Ok(()),
        };
        self.limiter.check_key(&caller).map_err(|_| {
            let message = format!(
                "one caller may ask {} times a second: ask again",
                self.per_second
            );
            Fault::new(Class::Bound, "rate_limited", message)
        })
    }
}

/// Whoever has an address of IPv6 has all of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(address: &str) -> Extensions {
        let mut request = Extensions::new();
        request.insert(Peer(address.parse().unwrap()));
        request
    }

    fn who(subject: &'static str) -> Who {
        Who {
            subject: subject.into(),
            ..Who::default()
        }
    }

    #[test]
    fn each_caller_has_a_rate_of_its_own() {
        let one = NonZeroU32::MIN;
        let rates = Rates::new(one, NonZeroU32::new(2).unwrap());
        let here = request("192.0.2.1");
        let admit = |who: Option<&Who>, request: &Extensions| rates.admit(who, request).is_ok();
        assert_eq!([(); 3].map(|()| admit(None, &here)), [true, true, false]);
        // Another address, and those who have shown a token, wherever they are.
        assert!(admit(None, &request("192.0.2.2")));
        assert!(!admit(None, &request("::ffff:192.0.2.1")));
        let (anna, bert) = (who("anna"), who("bert"));
        assert_eq!(
            [(); 3].map(|()| admit(Some(&anna), &here)),
            [true, true, false]
        );
        assert!(admit(Some(&bert), &here));
        let fault = rates.admit(Some(&anna), &request("192.0.2.3")).unwrap_err();
        assert_eq!((fault.class, &*fault.code), (Class::Bound, "rate_limited"));
    }

    #[test]
    fn a_network_of_ipv6_is_one_caller() {
        let one = NonZeroU32::MIN;
        let rates = Rates::new(one, one);
        assert!(rates.admit(None, &request("2001:db8::1")).is_ok());
        assert!(rates.admit(None, &request("2001:db8::2")).is_err());
        assert!(rates.admit(None, &request("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn callers_who_are_quiet_are_forgotten() {
        let many = NonZeroU32::new(1_000_000).unwrap();
        let rates = Rates::new(many, NonZeroU32::MIN);
        for nth in 0..SWEEP {
            let address = IpAddr::V4(nth.into());
            let mut request = Extensions::new();
            request.insert(Peer(address));
            let _ = rates.admit(None, &request);
        }
        // The last ones alone may still be there.
        assert!(rates.limiter.len() < 1_000, "{}", rates.limiter.len());
    }
}
