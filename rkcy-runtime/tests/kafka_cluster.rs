//! What is Kafka's alone: topics, groups, security, and an environment that is not as it should be.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use bytes::Bytes;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rkcy_core::frame::{Body, Envelope, Frame, Kind};
use rkcy_core::id::{ConcernId, PartitionId, TxnId};
use rkcy_core::txn::ReplyTo;
use rkcy_runtime::log::group::{Assigned, Group, GroupId, Member, Released, Role};
use rkcy_runtime::log::kafka::{
    Admin, Found, KafkaGroup, KafkaLog, Platform, RECORD_BYTES, Sasl, Secret, Settings,
};
use rkcy_runtime::log::{Log, LogError};
use std::collections::BTreeSet;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};
use support::servers::{kafka, variables};
use support::{append, changes, commands, payloads};

/// A platform of its own for each test.
fn platform(partitions: u16) -> Platform {
    Platform {
        name: "cluster".to_owned(),
        env: uuid::Uuid::new_v4().to_string(),
        generation: 1,
        concerns: vec![(ConcernId(1), "thing".to_owned())],
        partitions,
        answers: 2,
    }
}

fn plain() -> Settings {
    Settings::new(kafka())
}

fn created(platform: &Platform) -> Admin {
    let admin = Admin::connect(&plain()).unwrap();
    admin.create(platform).unwrap();
    admin
}

/// Makes a topic as somebody would by hand.
fn make_topic(name: &str, partitions: i32, settings: &[(&str, &str)]) {
    let client: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", kafka())
        .create()
        .unwrap();
    let topic = NewTopic {
        name,
        num_partitions: partitions,
        replication: TopicReplication::Fixed(1),
        config: settings.to_vec(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let made = runtime.block_on(client.create_topics([&topic], &AdminOptions::new()));
    made.unwrap().remove(0).unwrap();
}

// --- topics

#[test]
fn topics_are_made_once_and_found() {
    let platform = platform(4);
    let admin = Admin::connect(&plain()).unwrap();
    assert_eq!(admin.find(&platform).unwrap(), Found::Nothing);
    let Err(LogError::TopicMissing { topics }) = admin.check(&platform) else {
        panic!("nothing is there");
    };
    assert_eq!(topics.len(), 6);
    assert_eq!(admin.create(&platform).unwrap().len(), 6);
    assert_eq!(admin.create(&platform).unwrap(), [] as [String; 0]);
    let found = Found::Topics {
        partitions: Some(4),
        answers: Some(2),
    };
    assert_eq!(admin.find(&platform).unwrap(), found);
    let error = KafkaLog::open(
        &plain(),
        &Platform {
            partitions: 8,
            ..platform.clone()
        },
    );
    let error = error.unwrap_err();
    assert_eq!(error.code(), "log_topic_wrong");
    assert_eq!(error.exit_code(), 3);
    let text = error.to_string();
    assert!(
        text.contains("it has 4 partitions, and the platform is made for 8"),
        "{text}"
    );
    admin.delete(&platform).unwrap();
}

#[test]
fn a_topic_that_would_break_a_promise_is_refused_with_what_mends_it() {
    let platform = platform(1);
    let name = format!("rkcy.cluster.{}.thing.storage.1", platform.env);
    make_topic(&name, 1, &[("retention.ms", "1000")]);
    let admin = Admin::connect(&plain()).unwrap();
    let error = admin.create(&platform).unwrap_err();
    let (text, remedy) = (error.to_string(), error.remedy());
    assert!(text.contains(&name), "{text}");
    assert!(
        text.contains("retention.ms is 1000, and must be -1"),
        "{text}"
    );
    assert!(
        text.contains("message.timestamp.type is CreateTime"),
        "{text}"
    );
    assert!(
        text.contains("max.message.bytes is 1048588, and must be at least 8388608"),
        "{text}"
    );
    assert!(
        remedy.contains("--add-config message.timestamp.type=LogAppendTime,"),
        "{remedy}"
    );
    assert!(remedy.contains("max.message.bytes=8388608"), "{remedy}");
}

#[test]
fn a_record_above_the_limit_is_not_taken_and_the_next_one_is() {
    let platform = platform(1);
    let _admin = created(&platform);
    let log = KafkaLog::open(&plain(), &platform).unwrap();
    append(&log, &[(commands(0), b"before")]).unwrap();
    let large = vec![0; RECORD_BYTES + 1];
    let error = append(&log, &[(commands(0), b"with it"), (commands(0), &large)]).unwrap_err();
    assert_eq!(error.code(), "log_not_taken");
    assert!(error.to_string().contains("max.message.bytes"), "{error}");
    append(&log, &[(commands(0), b"after")]).unwrap();
    let all = payloads(&log, commands(0));
    assert_eq!(all.first().unwrap(), b"before");
    assert_eq!(all.last().unwrap(), b"after");
    // A megabyte is more than a fetch asks for.
    let large = vec![7; 3 << 20];
    append(&log, &[(changes(0), &large)]).unwrap();
    assert_eq!(payloads(&log, changes(0)), [large]);
}

#[test]
fn other_tools_see_what_a_record_is() {
    let platform = platform(1);
    let _admin = created(&platform);
    let log = KafkaLog::open(&plain(), &platform).unwrap();
    let txn = TxnId([7; 16]);
    let ask = Envelope::request(Kind::Cancel, txn, ReplyTo(0), &Body::Cancel);
    let tick = Envelope::control(Kind::Tick, &Body::Tick);
    let frame = Frame::encode(None, [tick.clone(), tick, ask].iter());
    append(&log, &[(commands(0), &frame)]).unwrap();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka())
        .set("group.id", "other-tool")
        .create()
        .unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    let topic = format!("rkcy.cluster.{}.thing.process.1", platform.env);
    list.add_partition_offset(&topic, 0, rdkafka::Offset::Beginning)
        .unwrap();
    consumer
        .fetch_watermarks(&topic, 0, Duration::from_secs(10))
        .unwrap();
    consumer.assign(&list).unwrap();
    let message = consumer.poll(Duration::from_secs(10)).unwrap().unwrap();
    let headers: Vec<(String, String)> = (message.headers().unwrap().iter())
        .map(|header| {
            let value = String::from_utf8(header.value.unwrap().to_vec()).unwrap();
            (header.key.to_owned(), value)
        })
        .collect();
    let expected = [("kind", "tick*2,cancel"), ("txn", &txn.to_string())];
    let expected: Vec<_> = (expected.iter())
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    assert_eq!(headers, expected);
    assert_eq!(message.payload(), Some(&frame[..]));
}

#[test]
fn a_hole_in_a_stream_is_an_error_and_retention_is_out_of_range() {
    let platform = platform(1);
    let _admin = created(&platform);
    let log = KafkaLog::open(&plain(), &platform).unwrap();
    for number in 0..10_u8 {
        append(&log, &[(changes(0), &[number])]).unwrap();
    }
    // Another process trims; this one has no mark of it.
    let other = KafkaLog::open(&plain(), &platform).unwrap();
    other.trim(changes(0), 5).unwrap();
    drop(other);
    assert_eq!(log.bounds(changes(0)).unwrap(), 5..10);
    match log.read(changes(0), 3, 100) {
        Err(LogError::OutOfRange { held, asked: 3, .. }) => assert_eq!(held, 5..10),
        other => panic!("{other:?}"),
    }
    // The end of a transaction of somebody else is a record that no reader is given.
    let producer: rdkafka::producer::BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka())
        .set("transactional.id", platform.env.as_str())
        .create()
        .unwrap();
    use rdkafka::producer::{BaseRecord, Producer};
    let topic = format!("rkcy.cluster.{}.thing.storage.1", platform.env);
    producer.init_transactions(Duration::from_secs(30)).unwrap();
    producer.begin_transaction().unwrap();
    producer
        .send(
            BaseRecord::<(), str>::to(&topic)
                .partition(0)
                .payload("foreign"),
        )
        .unwrap();
    producer
        .commit_transaction(Duration::from_secs(30))
        .unwrap();
    // The marker comes after the commit was told.
    while log.bounds(changes(0)).unwrap().end < 12 {
        std::thread::yield_now();
    }
    append(&log, &[(changes(0), b"behind")]).unwrap();
    let foreign = support::read(&log, changes(0), 10, 1).unwrap();
    assert_eq!(foreign[0].payload, b"foreign"[..]);
    let error = support::read(&log, changes(0), 11, 1).unwrap_err();
    assert!(
        matches!(
            error,
            LogError::Gap {
                expected: 11,
                found: 12,
                ..
            }
        ),
        "{error:?}"
    );
}

// --- access

#[test]
fn passwords_and_certificates_open_the_secure_listeners() {
    let platform = platform(1);
    let _admin = created(&platform);
    let base = |way| {
        let get = variables(way);
        let place = get("RKCY_LOG").unwrap();
        let settings = Settings::new(place.strip_prefix("kafka:").unwrap());
        settings.with_variables(get).unwrap()
    };
    let scram = base("--secure");
    let ways = [
        scram.clone(),
        Settings {
            sasl: Some(Sasl::ScramSha256),
            ..scram.clone()
        },
        Settings {
            sasl: Some(Sasl::Plain),
            ..scram.clone()
        },
        base("--mtls"),
    ];
    for (nth, settings) in ways.iter().enumerate() {
        let log = KafkaLog::open(settings, &platform).unwrap();
        append(&log, &[(commands(0), format!("{nth}").as_bytes())]).unwrap();
        assert_eq!(payloads(&log, commands(0)).len(), nth + 1);
    }
    let refused = |settings: Settings| {
        let began = Instant::now();
        let error = KafkaLog::open(&settings, &platform).unwrap_err();
        assert_eq!(error.code(), "log_no_access", "{error:?}");
        assert_eq!(error.exit_code(), 3);
        assert!(!format!("{error} {error:?}").contains("only-for-tests"));
        assert!(began.elapsed() < Duration::from_secs(9), "known at once");
        error.to_string()
    };
    let wrong = refused(Settings {
        password: Some(Secret::new("wrong")),
        ..scram.clone()
    });
    assert!(wrong.contains("uthentication"), "{wrong}");
    let ca = scram.ca.clone().unwrap();
    let stranger = refused(Settings {
        ca: Some(ca.with_file_name("stranger.crt")),
        ..scram
    });
    assert!(stranger.contains("certificate"), "{stranger}");
    let mtls = base("--mtls");
    refused(Settings {
        certificate: None,
        key: None,
        ..mtls
    });
}

#[test]
fn nobody_there_is_said_with_the_address() {
    // A port that was free a moment ago.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let address = format!("127.0.0.1:{port}");
    let error = Admin::connect(&Settings::new(&address)).unwrap_err();
    assert_eq!(error.code(), "log_unreachable", "{error:?}");
    assert!(error.to_string().contains(&address), "{error}");
    assert_eq!(error.exit_code(), 3);
}

// --- groups

enum Heard {
    Gained(BTreeSet<u16>),
    Revoked(BTreeSet<u16>, Released),
    Lost(BTreeSet<u16>),
}

/// A member, and what it hears.
struct Joined {
    _member: Box<dyn Member>,
    heard: mpsc::Receiver<Heard>,
    has: BTreeSet<u16>,
}

fn join(settings: &Settings, platform: &Platform, build: u64) -> Joined {
    let group = KafkaGroup::new(settings, platform).unwrap();
    let (sender, heard) = mpsc::channel();
    let sender = Mutex::new(sender);
    let numbers = |partitions: Vec<PartitionId>| {
        assert!(partitions.iter().all(|id| id.concern == ConcernId(1)));
        partitions.iter().map(|id| id.index).collect()
    };
    let id = GroupId {
        role: Role::Process,
        build,
    };
    let hear = move |assigned| {
        let heard = match assigned {
            Assigned::Gained(some) => Heard::Gained(numbers(some)),
            Assigned::Revoked(some, released) => Heard::Revoked(numbers(some), released),
            Assigned::Lost(some) => Heard::Lost(numbers(some)),
        };
        sender.lock().unwrap().send(heard).unwrap_or_default();
    };
    Joined {
        _member: group.join(id, Box::new(hear)).unwrap(),
        heard,
        has: BTreeSet::new(),
    }
}

impl Joined {
    fn hears(&mut self) -> Heard {
        let heard = self.heard.recv_timeout(Duration::from_secs(60));
        heard.expect("something about partitions")
    }

    fn gains_until(&mut self, count: usize) {
        while self.has.len() < count {
            match self.hears() {
                Heard::Gained(more) => self.has.extend(more),
                Heard::Revoked(less, released) => {
                    self.has = &self.has - &less;
                    released.done();
                }
                Heard::Lost(less) => self.has = &self.has - &less,
            }
        }
    }
}

fn partitions_move_only_when_they_are_free(settings: &Settings) {
    let platform = platform(8);
    let _admin = created(&platform);
    let mut one = join(settings, &platform, 1);
    one.gains_until(8);
    // Another build is another group.
    let mut other_build = join(settings, &platform, 2);
    other_build.gains_until(8);
    let mut other = join(settings, &platform, 1);
    let (moving, released) = loop {
        match one.hears() {
            Heard::Revoked(moving, released) => break (moving, released),
            // The classic protocol tells of empty changes.
            Heard::Gained(none) if none.is_empty() => {}
            _ => panic!("only what moves is talked about"),
        }
    };
    assert_eq!(moving.len(), 4);
    one.has = &one.has - &moving;
    // Until it is free the other has none of it.
    while let Ok(heard) = other.heard.recv_timeout(Duration::from_millis(1500)) {
        let Heard::Gained(early) = heard else {
            panic!("it has nothing to lose")
        };
        assert!(early.is_disjoint(&moving), "{early:?} are not free");
        other.has.extend(early);
    }
    let freed = Instant::now();
    released.done();
    other.gains_until(4);
    eprintln!("handed over in {:?}", freed.elapsed());
    assert_eq!(other.has, moving);
    // Who leaves gives everything, at once.
    let left = Instant::now();
    drop(one);
    other.gains_until(8);
    eprintln!("taken over from one that left in {:?}", left.elapsed());
}

#[test]
fn partitions_move_only_when_they_are_free_in_groups_of_the_new_protocol() {
    partitions_move_only_when_they_are_free(&plain());
}

#[test]
fn partitions_move_only_when_they_are_free_in_classic_groups() {
    partitions_move_only_when_they_are_free(&Settings {
        classic_groups: true,
        ..plain()
    });
}

// --- load

#[test]
fn appends_wait_while_too_much_is_on_its_way() {
    let platform = platform(1);
    let _admin = created(&platform);
    let settings = Settings {
        queue_mib: 1,
        ..plain()
    };
    let log = KafkaLog::open(&settings, &platform).unwrap();
    let (sender, receiver) = mpsc::channel();
    for _ in 0..64 {
        let sender = sender.clone();
        log.append(
            vec![(commands(0), Bytes::from(vec![0; 256 << 10]))],
            Box::new(move |result| drop(sender.send(result))),
        );
    }
    let offsets: Vec<u64> = (0..64)
        .map(|_| receiver.recv().unwrap().unwrap()[0])
        .collect();
    assert!(offsets.is_sorted(), "in order");
    assert_eq!(log.bounds(commands(0)).unwrap(), 0..64);
    // Fetched ahead is not more than was asked for, and all of it arrives.
    assert_eq!(payloads(&log, commands(0)).len(), 64);
}
