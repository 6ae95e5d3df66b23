//! The logs of a simulated cluster: a command log and a changelog for each partition, and the config topic.
//!
//! Independent, as on a broker: each becomes durable and loses its end on its own. Or atomic, as the
//! embedded log is: appends to several streams at once stand in one order, of which a prefix is durable.

use crate::log::StreamId;
use crate::log::simulated::Stream;
use bytes::Bytes;
use rkcy_core::bugs::{self, Bug};
use rkcy_core::id::PartitionId;
use std::collections::{BTreeMap, VecDeque};

/// All streams.
pub(super) struct Logs {
    streams: BTreeMap<StreamId, Stream>,
    /// Commands that were trimmed; only the replay at the end of a run reads them.
    trimmed: BTreeMap<PartitionId, Vec<(u64, Bytes)>>,
    /// The streams of each append that is not durable, in the one order of an atomic log.
    order: Option<VecDeque<Vec<StreamId>>>,
    /// Appends that are durable, of an atomic log.
    durable: u64,
}

impl Logs {
    pub(super) fn new(partitions: &[PartitionId], atomic: bool) -> Logs {
        let both = |id: &PartitionId| [StreamId::commands(*id), StreamId::changes(*id)];
        Logs {
            streams: (partitions.iter().flat_map(both))
                .chain([StreamId::CONFIG])
                .map(|stream| (stream, Stream::default()))
                .collect(),
            trimmed: BTreeMap::new(),
            order: atomic.then(VecDeque::new),
            durable: 0,
        }
    }

    pub(super) fn stream(&self, id: StreamId) -> &Stream {
        &self.streams[&id]
    }

    /// Appends one record; gives back its offset.
    pub(super) fn append(&mut self, stamp: u64, id: StreamId, bytes: Bytes) -> u64 {
        if let Some(order) = &mut self.order {
            order.push_back(vec![id]);
        }
        self.streams.entry(id).or_default().append(stamp, bytes)
    }

    /// Appends to several streams at once; gives back the number of the append, for [`Logs::is_durable`].
    pub(super) fn append_all(&mut self, records: Vec<(u64, StreamId, Bytes)>) -> u64 {
        let mut streams = Vec::with_capacity(records.len());
        for (stamp, id, bytes) in records {
            self.streams.entry(id).or_default().append(stamp, bytes);
            streams.push(id);
        }
        let order = self.order.get_or_insert_default();
        order.push_back(streams);
        self.durable + order.len() as u64 - 1
    }

    /// Whether an append to an atomic log is durable.
    pub(super) fn is_durable(&self, append: u64) -> bool {
        append < self.durable
    }

    /// Makes one stream durable up to its end.
    pub(super) fn sync(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.sync();
        }
    }

    /// Makes the next appends of an atomic log durable.
    pub(super) fn sync_appends(&mut self, appends: usize) {
        for _ in 0..appends {
            let Some(streams) = self.order.as_mut().and_then(VecDeque::pop_front) else {
                break;
            };
            self.durable += 1;
            for id in streams {
                self.streams.entry(id).or_default().sync_next(1);
            }
        }
    }

    /// Appends that are not durable.
    pub(super) fn undurable(&self) -> usize {
        self.order.as_ref().map_or(0, VecDeque::len)
    }

    /// What is not durable is gone.
    pub(super) fn lose_power(&mut self) {
        if let Some(order) = &mut self.order {
            let torn = order.front().filter(|_| bugs::on(Bug::TornAppend));
            if let Some(id) = torn.and_then(|streams| streams.last()) {
                self.streams.entry(*id).or_default().sync_next(1);
            }
            order.clear();
        }
        self.streams.values_mut().for_each(Stream::lose_power);
    }

    /// Drops the records of a stream before `before`.
    pub(super) fn trim(&mut self, id: StreamId, before: u64) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if id == StreamId::commands(id.partition) {
            let archive = self.trimmed.entry(id.partition).or_default();
            archive.extend((stream.start()..before).map_while(|offset| stream.get(offset, true)));
        }
        stream.trim(before);
    }

    /// Every record of a command log, also those that were trimmed.
    pub(super) fn commands(&self, id: PartitionId) -> impl Iterator<Item = (u64, Bytes)> {
        let stream = self.stream(StreamId::commands(id));
        let kept = (stream.start()..stream.end()).map_while(|offset| stream.get(offset, false));
        let trimmed = self.trimmed.get(&id).into_iter().flatten().cloned();
        trimmed.chain(kept)
    }
}
