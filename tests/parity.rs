//! The real driver and the simulator play the same session: same facts, same orders, same millisecond.
//!
//! The driver runs under a paused clock. In place of the network and the pipeline stands the simulator's own
//! world, behind the very seams that both have in the player: requests of the network's client, commands and
//! events of the pipeline. What is compared is the journal that the driver writes, line by line.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use abr::journal::{input_line, output_line};
use abr::presentation::{Presentation, RepresentationKey};
use abr::protocol::{Fetch, FetchId, Input, Output, Resource};
use abr::session::Config;
use abr::sim::link::Link;
use abr::sim::origin::Faultless;
use abr::sim::playback::{Seen, Setup, World, reasonable_end, run_on_grid};
use abr::sim::staging;
use abr::sim::trace::{Trace, sets};
use abr::time::{MediaTime, Timestamp};
use bytes::Bytes;
use player::driver::{Options, Pipeline, Script, drive};
use player::events::Log;
use player::manifest;
use player::net::{self, NetEvent, Request, Task, Transport};
use player::pipeline::{PipelineCommand, PipelineEvent};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tests::workspace;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::Instant;
use url::Url;

/// Timers of the runtime have milliseconds.
const GRID: Duration = Duration::from_millis(1);
/// Sessions that must be the same, and how many segments of four seconds each has.
const SESSIONS: usize = 24;
const SEGMENTS: u64 = 40;

/// What the driver wants of the world, in order.
enum Order {
    Request(Box<Request>, UnboundedSender<NetEvent>, oneshot::Receiver<()>),
    Pipeline(PipelineCommand),
}

struct ToWorld(UnboundedSender<Order>);

impl Transport for ToWorld {
    fn start(&self, request: Request, events: UnboundedSender<NetEvent>) -> Task {
        let (task, cancelled) = Task::new();
        let _ = self.0.send(Order::Request(Box::new(request), events, cancelled));
        task
    }
}

/// A journal in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn mpd() -> String {
    let video = [(300, 240), (750, 360), (1200, 480), (1850, 540), (2850, 720), (4300, 1080)];
    let video: String = video
        .iter()
        .map(|(kbps, height)| {
            let width = height * 16 / 9;
            format!(
                "<Representation id=\"v{kbps}\" bandwidth=\"{kbps}000\" codecs=\"avc1.64001f\" \
                 width=\"{width}\" height=\"{height}\"/>"
            )
        })
        .collect();
    let audio: String = [64, 128]
        .iter()
        .map(|kbps| format!("<Representation id=\"a{kbps}\" bandwidth=\"{kbps}000\" codecs=\"mp4a.40.2\"/>"))
        .collect();
    let template = "<SegmentTemplate timescale=\"1\" duration=\"4\" startNumber=\"1\" \
        initialization=\"$RepresentationID$/init\" media=\"$RepresentationID$/$Number$\"/>";
    format!(
        "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" profiles=\"\" minBufferTime=\"PT2S\" \
         mediaPresentationDuration=\"PT{}S\"><Period>\
         <AdaptationSet contentType=\"video\" mimeType=\"video/mp4\">{template}{video}</AdaptationSet>\
         <AdaptationSet contentType=\"audio\" mimeType=\"audio/mp4\">{template}{audio}</AdaptationSet>\
         </Period></MPD>",
        SEGMENTS * 4
    )
}

fn address() -> Url {
    Url::parse("http://parity.test/title.mpd").unwrap()
}

/// What a request is for, read from its address.
fn resource(presentation: &Presentation, url: &Url) -> Resource {
    let mut parts = url.path_segments().unwrap();
    let (first, second) = (parts.next().unwrap(), parts.next());
    let Some(second) = second else { return Resource::Presentation };
    let named = presentation.representations().find(|(_, r)| r.id == first);
    let (key, representation): (RepresentationKey, _) = named.unwrap();
    match second.parse::<u64>() {
        Err(_) => Resource::Init { representation: key, init: 0 },
        Ok(number) => {
            let mut segments = representation.index.known().unwrap().iter();
            let segment = segments.find(|segment| segment.number == number).unwrap();
            Resource::Segment { representation: key, segment }
        }
    }
}

/// Lets the simulator's world stand behind the driver until the driver stops it.
async fn surround(
    mut world: World<'_>,
    presentation: &Presentation,
    mut orders: UnboundedReceiver<Order>,
    events: UnboundedSender<PipelineEvent>,
) {
    let origin = Instant::now();
    let mut requests: BTreeMap<FetchId, (UnboundedSender<NetEvent>, oneshot::Receiver<()>, Url)> =
        BTreeMap::new();
    loop {
        world.advance(Timestamp::ZERO + origin.elapsed());
        while let Ok(order) = orders.try_recv() {
            let order = match order {
                Order::Request(request, events, cancelled) => {
                    let fetch = Fetch {
                        id: request.id,
                        resource: resource(presentation, &request.url),
                        location: 0,
                        priority: 0,
                        attempt: 0,
                        limit_bytes: request.limit_bytes,
                        timeouts: request.timeouts,
                        chunked: request.chunked,
                    };
                    requests.insert(request.id, (events, cancelled, request.url));
                    Output::Fetch(fetch)
                }
                Order::Pipeline(PipelineCommand::Append(append)) => Output::Append {
                    id: append.id,
                    track: append.track,
                    representation: append.representation,
                    segment: append.segment,
                },
                Order::Pipeline(PipelineCommand::Flush { track, from }) => Output::Flush { track, from },
                Order::Pipeline(PipelineCommand::EndOfTrack(track)) => Output::EndOfTrack(track),
                Order::Pipeline(PipelineCommand::Seek { to, buffered }) => Output::Seek { to, buffered },
                Order::Pipeline(PipelineCommand::Clock { run, rate }) => Output::Clock { run, rate },
                Order::Pipeline(PipelineCommand::Stop) => return,
                Order::Pipeline(_) => continue,
            };
            world.carry_out(order);
        }
        let gone = |(_, cancelled, _): &mut (_, oneshot::Receiver<()>, _)| {
            !matches!(cancelled.try_recv(), Err(oneshot::error::TryRecvError::Empty))
        };
        let cancelled = requests.iter_mut().filter_map(|(id, request)| gone(request).then_some(*id));
        for id in cancelled.collect::<Vec<_>>() {
            world.carry_out(Output::Cancel(id));
        }
        match world.take_fact() {
            Some(fact) => {
                tell(fact, &mut requests, &events);
                // The driver has its turn.
                tokio::task::yield_now().await;
            }
            None => {
                let next = world.next().map_or(Duration::MAX, |at| at.since(Timestamp::ZERO));
                let next = Duration::from_nanos(
                    u64::try_from(next.as_nanos().div_ceil(GRID.as_nanos()) * GRID.as_nanos())
                        .unwrap_or(u64::MAX >> 2)
                        .min(u64::MAX >> 2),
                );
                tokio::select! {
                    biased;
                    () = wait_for_order(&mut orders) => {}
                    () = tokio::time::sleep_until(origin + next) => {}
                }
            }
        }
    }
}

/// Waits until an order has come, or none can come any more, and leaves it where it is.
async fn wait_for_order(orders: &mut UnboundedReceiver<Order>) {
    std::future::poll_fn(|context| {
        if !orders.is_empty() || orders.is_closed() {
            return std::task::Poll::Ready(());
        }
        // Whoever drives us polls both sides whenever either has something.
        let _ = context;
        std::task::Poll::Pending
    })
    .await;
}

/// Hands a fact to the driver the way in which its network or its pipeline would.
fn tell(
    fact: Input,
    requests: &mut BTreeMap<FetchId, (UnboundedSender<NetEvent>, oneshot::Receiver<()>, Url)>,
    events: &UnboundedSender<PipelineEvent>,
) {
    let mut net = |id: FetchId, event: &dyn Fn(&Url) -> NetEvent, last: bool| {
        if let Some((to, _, url)) = requests.get(&id) {
            let _ = to.send(event(url));
        }
        if last {
            requests.remove(&id);
        }
    };
    let _ = match fact {
        Input::FetchProgress { id, transfer, expected_bytes } => {
            return net(id, &|_| NetEvent::Progress { id, transfer, expected_bytes }, false);
        }
        Input::Fetched { id, transfer } => {
            let done = |url: &Url| {
                let is_manifest = url.path().ends_with(".mpd");
                let body = if is_manifest { Bytes::from(mpd()) } else { Bytes::from_static(b"media") };
                NetEvent::Done { id, transfer, body, url: url.clone(), content_type: None }
            };
            return net(id, &done, true);
        }
        Input::FetchFailed { id, transfer, failure } => {
            let failed = |_: &Url| NetEvent::Failed { id, transfer, failure: failure.clone() };
            return net(id, &failed, true);
        }
        Input::FetchCancelled { id, transfer } => {
            return net(id, &|_| NetEvent::Cancelled { id, transfer }, true);
        }
        Input::Appended { id, start, end } => events.send(PipelineEvent::Appended { id, start, end }),
        Input::AppendFailed { id, failure } => events.send(PipelineEvent::AppendFailed { id, failure }),
        Input::Playback { position, running, presented, dropped } => {
            events.send(PipelineEvent::Playback { position, running, presented, dropped, av_offset_ms: None })
        }
        Input::Ready { position } => events.send(PipelineEvent::Ready { position }),
        Input::Drained => events.send(PipelineEvent::Drained),
        // The driver reads the manifest itself.
        _ => Ok(()),
    };
}

/// The driver's journal, without its header.
fn driven(presentation: &'static Presentation, link: Link, config: Config) -> Vec<String> {
    let journal = Memory::default();
    let (order, orders) = unbounded_channel();
    let (to_driver, events) = unbounded_channel();
    let commands = order.clone();
    let pipeline = Pipeline {
        send: Box::new(move |command| {
            let _ = commands.send(Order::Pipeline(command));
        }),
        events,
    };
    let options = Options {
        cues: Default::default(),
        resume: None,
        url: address(),
        session: config.clone(),
        net: net::Config::new(address()),
        keys: Default::default(),
        events: Log::new(None),
        journal: Some(Box::new(journal.clone())),
        script: Script::default(),
        notify: Box::new(|| {}),
        names: Default::default(),
        keep_open: false,
    };
    let mut origin = Faultless;
    let world = World::new(presentation, false, link, &mut origin, config.start_at);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let client = net::Client::over(ToWorld(order));
        // One task, the driver first: at each moment it has its turn before the world goes on.
        let surrounded = surround(world, presentation, orders, to_driver);
        tokio::join!(biased; drive(options, pipeline, client), surrounded);
    });
    let text = String::from_utf8(journal.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

/// What the journal would be in the simulator.
fn simulated(presentation: &Presentation, link: Link, config: Config) -> Vec<String> {
    let mut lines = Vec::new();
    let setup = Setup {
        presentation,
        pending_indexes: false,
        link,
        config,
        origin: &mut Faultless,
        script: Vec::new(),
        until: reasonable_end(presentation),
    };
    let outcome = run_on_grid(setup, GRID, |now, seen| match seen {
        Seen::In(input) => lines.push(input_line(now, input).unwrap()),
        Seen::Out(Output::Wait(_)) => {}
        Seen::Out(output) => lines.push(output_line(now, output).unwrap()),
    });
    assert_eq!(outcome.violations, Vec::<String>::new());
    assert!(outcome.session.position(outcome.now) > MediaTime::ZERO, "nothing was played");
    lines
}

/// Facts and orders of a journal, each in order. A driver may tell two facts before it asks for the orders that
/// follow from the first (a manifest and the end of its request); what is ordered does not depend on that.
/// Without ticks, which say only that time has passed: the driver has one each second, for its own report.
fn facts_and_orders(lines: Vec<String>) -> [Vec<String>; 2] {
    let lines = lines.into_iter().filter(|line| !line.ends_with("\"in\":\"tick\"}"));
    let (facts, orders) = lines.partition(|line| line.contains(",\"in\":"));
    [facts, orders]
}

#[test]
fn the_driver_plays_what_the_simulator_plays() {
    let Some(folder) = workspace::shared("traces") else { return };
    let read = manifest::read(&address(), mpd().as_bytes()).unwrap();
    let presentation: &'static Presentation = Box::leak(Box::new(read.presentation));
    let mut played = 0;
    let names = ["hsdpa-3g", "fcc-sd", "fcc-hd", "ghent-4g", "pensieve-test", "pensieve-train", "puffer"];
    let files = sets(&folder).unwrap().into_iter().filter(|(set, _)| names.contains(&set.as_str()));
    for (set, files) in files {
        let controllers = ["hybrid", "bola-e", "robust-mpc"].into_iter().cycle();
        for (file, controller) in files.iter().step_by(files.len() / 4).zip(controllers) {
            let trace = Trace::read(file, None).unwrap();
            let config = Config { controller: controller.to_owned(), ..Config::default() };
            let link = staging::link(&trace, 80.0);
            let expected = facts_and_orders(simulated(presentation, link.clone(), config.clone()));
            let mut got = facts_and_orders(driven(presentation, link, config));
            // In the end the driver stops the session, which the simulator just lets go.
            for lines in &mut got {
                lines.pop_if(|line| line.contains("{\"command\":\"stop\"}"));
            }
            let session = format!("{set} {} {controller}", trace.name);
            for (expected, got) in expected.iter().zip(&got) {
                for (place, (expected, got)) in expected.iter().zip(got).enumerate() {
                    assert_eq!(got, expected, "{session}: line {place}");
                }
                // After the end the driver only stops, and is not told any more what the simulator is.
                let (most, least) = (got.len().max(expected.len()), got.len().min(expected.len()));
                assert!(most - least <= 1, "{session}: {} lines for {}", got.len(), expected.len());
            }
            played += 1;
        }
    }
    println!("{played} sessions are the same");
    assert!(played >= SESSIONS, "{played}");
}
