//! Draining a platform, as a client asks for it: every partition is told, and tells what is in flight.
//!
//! When it is over is decided in [`rkcy_core::drain`].

use super::submit::{Client, NOBODY};
use crate::codegen::Fault;
use rkcy_core::drain::{self, InFlight};
use rkcy_core::frame::{Body, Kind};
use rkcy_core::id::PartitionId;
use rkcy_core::status::Ask;
use rkcy_core::wire::Wire;

/// How far a drain has come.
#[derive(Clone, Debug)]
pub struct Drained {
    /// What each partition tells.
    pub partitions: Vec<(PartitionId, InFlight)>,
    /// Whether nothing is in flight any more.
    pub is_over: bool,
}

impl Client {
    /// Lets no partition begin anything new (`true`), or lets them again. What has begun goes on to its end; callers
    /// of anything else hear `draining`. It outlives this process, until it is ended here or another build starts.
    ///
    /// # Errors
    /// Where a partition does not answer.
    pub async fn drain(&self, begin: bool) -> Result<Drained, Fault> {
        let partitions = self.tell(Kind::Drain, &Body::Drain(begin)).await?;
        Ok(Drained {
            partitions,
            is_over: false,
        })
    }

    /// How far a drain has come.
    ///
    /// # Errors
    /// Where a partition does not answer.
    pub async fn drained(&self) -> Result<Drained, Fault> {
        let ask = Body::Ask(Ask::InFlight);
        let first = self.tell(Kind::Ask, &ask).await?;
        // Most often the first look says that it is not; a second one is for nothing then.
        if !drain::is_over(&first, &first) {
            return Ok(Drained {
                partitions: first,
                is_over: false,
            });
        }
        let second = self.tell(Kind::Ask, &ask).await?;
        Ok(Drained {
            is_over: drain::is_over(&first, &second),
            partitions: second,
        })
    }

    async fn tell(&self, kind: Kind, body: &Body) -> Result<Vec<(PartitionId, InFlight)>, Fault> {
        let told = self.request(kind, NOBODY, body).await;
        told.into_iter()
            .map(|(partition, outcome)| {
                let told = outcome.into_result()?.unwrap_or_default();
                Ok((partition, InFlight::from_wire(told)?))
            })
            .collect()
    }
}
