//! The faults that a simulated cluster suffers, by name.

use std::collections::BTreeMap;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A worker dies; what it has sent may arrive in part.
    Crash,
    /// A second worker is started for a partition that has one.
    Leftover,
    /// One send fails for good while later ones of the same worker land.
    LostSend,
    /// A channel is slow for the whole run.
    SlowChannel,
    /// All workers die, and each log keeps only what was durable.
    PowerLoss,
    /// A cold read is answered by a replica that is behind.
    StaleReplica,
    /// The database comes back without its last commits.
    Failover,
    /// Answers to cold reads arrive late.
    SlowLoad,
    /// A caller, or the network, submits a transaction again, also much later.
    LateDuplicate,
    /// The stamps of a log step back or ahead.
    ClockStep,
    /// The machine's clock jumps days ahead, and back when much was stamped so; workers are then started
    /// with an accepted clock.
    ClockJump,
    /// The body of a transaction in flight cannot be read.
    Unreadable,
    /// Rows are evicted at once.
    Eviction,
    /// Storage dies and goes on from its position.
    StorageCrash,
    /// A newer build takes over, partition by partition, when the older one has sealed; some do not wait.
    Deploy,
    /// A transaction ends the process of whoever applies some of its steps.
    Deadly,
}

impl Fault {
    /// Every fault, with its name on the command line.
    pub const ALL: &[(&str, Fault)] = &[
        ("crash", Fault::Crash),
        ("leftover", Fault::Leftover),
        ("lost-send", Fault::LostSend),
        ("slow-channel", Fault::SlowChannel),
        ("power-loss", Fault::PowerLoss),
        ("stale-replica", Fault::StaleReplica),
        ("failover", Fault::Failover),
        ("slow-load", Fault::SlowLoad),
        ("late-duplicate", Fault::LateDuplicate),
        ("clock-step", Fault::ClockStep),
        ("clock-jump", Fault::ClockJump),
        ("unreadable", Fault::Unreadable),
        ("eviction", Fault::Eviction),
        ("storage-crash", Fault::StorageCrash),
        ("deploy", Fault::Deploy),
        ("deadly", Fault::Deadly),
    ];

    /// How likely it is once it is drawn, unless the caller says otherwise: some end everything, some are
    /// part of every day.
    #[must_use]
    pub fn usual(self) -> f64 {
        match self {
            Fault::PowerLoss => 0.03,
            Fault::Failover => 0.05,
            Fault::Deploy | Fault::ClockJump => 0.1,
            Fault::Crash | Fault::LostSend => 0.25,
            Fault::Unreadable | Fault::Deadly => 0.02,
            Fault::StaleReplica => 0.3,
            Fault::SlowChannel | Fault::SlowLoad => 0.5,
            _ => 1.0,
        }
    }

    /// The share of the runs in which it happens. What turns a whole run upside down hides what else is
    /// wrong in it.
    pub(super) fn share(self) -> f64 {
        match self {
            Fault::Crash | Fault::Eviction => 1.0,
            Fault::ClockJump | Fault::Deploy => 0.2,
            Fault::Deadly => 0.4,
            _ => 0.6,
        }
    }

    /// Whether it can happen where one process does all on one atomic log.
    pub(super) fn is_of_one_process(self) -> bool {
        !matches!(self, Fault::Leftover | Fault::LostSend | Fault::SlowChannel)
    }

    /// Whether it is a way in which other things happen, not something that happens at a moment.
    pub(super) fn is_passive(self) -> bool {
        matches!(
            self,
            Fault::SlowChannel
                | Fault::StaleReplica
                | Fault::SlowLoad
                | Fault::Unreadable
                | Fault::Deadly
        )
    }

    /// Every fault, as likely as it usually is.
    #[must_use]
    pub fn all() -> BTreeMap<Fault, f64> {
        let faults = Fault::ALL.iter().map(|(_, fault)| *fault);
        faults.map(|fault| (fault, fault.usual())).collect()
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Fault::ALL
            .iter()
            .find(|(_, fault)| *fault == self)
            .map_or("", |(name, _)| name)
    }

    /// The fault with this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Fault> {
        Fault::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, fault)| *fault)
    }
}
