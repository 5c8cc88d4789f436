//! Two leaders at once, whose watches lag and who die at any call, and edges that go from one to the other: whatever comes in
//! which order, no number is used twice, and nothing that is Complete is served. The choices follow from a seed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use edge_contract::{Epoch, Head, SequenceNumber};
use tokio::time::timeout;

use super::*;
use crate::fake_api::Cut;
use crate::runner::DEADLINE;

/// Random choices that can be made again.
struct Dice(u64);

impl Dice {
    /// Less than `sides`.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % sides
    }
}

struct World {
    api: FakeApi,
    dice: Dice,
    leaders: Vec<(Context, watch::Sender<Leadership>)>,
    edges: Vec<ModelEdge>,
    created: usize,
    losses: usize,
}

/// An edge's purge log and one stored response that every order matches, by the rules of `edge-cache`.
struct ModelEdge {
    name: String,
    starts: u32,
    stream: Option<Pretended>,
    inbox: VecDeque<FromOperator>,
    /// What it holds of each epoch that it ever began to hear of.
    logs: BTreeMap<u64, ModelLog>,
    /// The epoch whose head came last.
    epoch: Option<u64>,
    stored: Option<Stored>,
}

#[derive(Clone, Debug, Default)]
struct ModelLog {
    orders: BTreeMap<SequenceNumber, String>,
    applied: SequenceNumber,
    least: SequenceNumber,
}

/// A response: where the edge stood when its read began, and the Invalidations that were accepted by then.
#[derive(Clone, Debug)]
struct Stored {
    label: Option<(u64, SequenceNumber)>,
    after: BTreeSet<String>,
}

impl ModelLog {
    fn advance(&mut self) {
        while self.orders.contains_key(&(self.applied + 1)) {
            self.applied += 1;
        }
    }
}

impl ModelEdge {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            starts: 0,
            stream: None,
            inbox: VecDeque::new(),
            logs: BTreeMap::new(),
            epoch: None,
            stored: None,
        }
    }

    fn position(&self) -> Option<(u64, SequenceNumber, Option<String>)> {
        let epoch = self.epoch?;
        let log = &self.logs[&epoch];
        Some((epoch, log.applied, log.orders.get(&log.applied).cloned()))
    }

    /// Whether what is stored may be served: rule 3.
    fn serves(&self) -> Option<&Stored> {
        let stored = self.stored.as_ref()?;
        let admitted = match (self.epoch, stored.label) {
            (None, label) => label.is_none(),
            (Some(epoch), label) => {
                let (of, number) = label.unwrap_or((epoch, 0));
                of == epoch && number >= self.logs[&epoch].least
            }
        };
        admitted.then_some(stored)
    }

    /// Takes one line that has arrived.
    fn take(&mut self) {
        match self.inbox.pop_front() {
            Some(FromOperator::Order(order)) => {
                let Epoch(epoch) = order.epoch;
                if self
                    .logs
                    .get(&epoch)
                    .and_then(|log| log.orders.get(&order.sequence))
                    .is_some_and(|uid| *uid != order.uid)
                {
                    self.stream = None;
                    return;
                }
                let is_current = self.epoch == Some(epoch);
                let log = self.logs.entry(epoch).or_default();
                if order.sequence <= log.applied && is_current {
                    return self.acknowledge();
                }
                log.orders.insert(order.sequence, order.uid);
                log.least = log.least.max(order.sequence);
                if is_current {
                    log.advance();
                    self.acknowledge();
                }
            }
            Some(FromOperator::Head(head)) => self.take_head(head),
            _ => {}
        }
    }

    fn take_head(&mut self, head: Head) {
        let Epoch(epoch) = head.epoch;
        let log = self.logs.entry(epoch).or_default();
        if log.applied < head.floor {
            log.least = log.least.max(head.floor);
            log.applied = head.floor;
        }
        log.advance();
        if log.applied < head.sequence {
            self.stream = None;
            return;
        }
        self.epoch = Some(epoch);
        self.logs.retain(|of, _| *of == epoch);
        self.acknowledge();
    }

    fn acknowledge(&self) {
        let (Some(stream), Some((epoch, sequence, order_uid))) = (&self.stream, self.position()) else { return };
        stream.say(FromEdge::Acknowledged { epoch: Epoch(epoch), sequence, order_uid, removed: 0 });
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let site = Site::new();
        site.there_is_a_node();
        site.the_node_renews(0);
        let edges = ["one", "two"].map(|name| {
            site.there_is_a_pod(name);
            ModelEdge::new(name)
        });
        let Site { api, .. } = site;
        let mut world = Self { api, dice: Dice(seed), leaders: vec![], edges: edges.into(), created: 0, losses: 0 };
        world.leaders = (0..2).map(|_| world.leader()).collect();
        world
    }

    /// A process that has just listed everything.
    fn leader(&self) -> (Context, watch::Sender<Leadership>) {
        let leader = Context::for_test(&self.api, Duration::from_mins(5));
        self.catch_up(&leader.0, |_| true);
        leader
    }

    /// The watches of a leader tell of those objects that they do not keep back.
    fn catch_up(&self, context: &Context, mut tells: impl FnMut(&str) -> bool) {
        if tells("distribution") {
            see(&context.stores.distributions, &self.api.object("distributions/shop").expect("exists"));
        }
        for pod in ["pods/one", "pods/two"].into_iter().filter(|_| context.stores.pods.groups().is_empty()) {
            see(&context.stores.pods, &self.api.object(pod).expect("exists"));
        }
        for number in 0..self.created {
            let name = format!("inv-{number}");
            let known = context.stores.invalidations.find("default", &name);
            match (self.invalidation(&name), known) {
                _ if !tells(&name) => {}
                (Some(there), _) => see(&context.stores.invalidations, &there),
                (None, Some(gone)) => {
                    miss(&context.stores.invalidations, &serde_json::to_value(&*gone).expect("encodes"));
                }
                (None, None) => {}
            }
        }
    }

    fn invalidation(&self, name: &str) -> Option<Value> {
        self.api.object(&format!("invalidations/{name}"))
    }

    fn invalidations(&self) -> Vec<Value> {
        (0..self.created).filter_map(|number| self.invalidation(&format!("inv-{number}"))).collect()
    }

    /// Those whose number stands.
    fn accepted(&self) -> BTreeSet<String> {
        let accepted = self.invalidations().into_iter().filter(|it| !it["status"]["sequence"].is_null());
        accepted.map(|it| it["metadata"]["uid"].to_string()).collect()
    }

    async fn step(&mut self) {
        tokio::time::advance(Duration::from_secs(1)).await;
        let (leader, edge) = (self.dice.roll(2), self.dice.roll(2));
        match self.dice.roll(24) {
            0 | 1 if self.created < 8 => self.create(),
            2 => self.delete(),
            3 if self.losses > 0 => self.lose(),
            4 => self.leaders[leader] = self.leader(),
            5 => self.restart(edge),
            6..=8 => self.call(edge, leader),
            9 => self.fill(edge),
            10..=12 => {
                let told = self.dice.roll(1 << 10);
                let mut at = 0;
                self.catch_up(&self.leaders[leader].0, |_| {
                    at += 1;
                    told >> at & 1 == 1
                });
            }
            13..=16 => self.take(edge),
            _ => self.look(leader).await,
        }
        self.check();
    }

    /// Somebody writes a status without the counters.
    fn lose(&mut self) {
        self.losses -= 1;
        let mut lost = self.api.object("distributions/shop").expect("exists");
        lost["status"] = json!({"observedGeneration": 1, "programmedGeneration": 1});
        self.api.put("distributions", lost);
    }

    fn create(&mut self) {
        let name = format!("inv-{}", self.created);
        self.created += 1;
        let invalidation = invalidation_of(&name);
        self.api.put("invalidations", invalidation);
    }

    fn delete(&mut self) {
        let all = self.invalidations();
        if all.is_empty() {
            return;
        }
        let one = &all[self.dice.roll(all.len())];
        self.api.remove(&format!("invalidations/{}", one["metadata"]["name"].as_str().expect("a name")));
    }

    fn restart(&mut self, edge: usize) {
        let name = self.edges[edge].name.clone();
        self.edges[edge] = ModelEdge { starts: self.edges[edge].starts + 1, ..ModelEdge::new(&name) };
    }

    fn call(&mut self, edge: usize, leader: usize) {
        let caller = &mut self.edges[edge];
        caller.stream = None;
        caller.inbox.clear();
        let at = caller.position();
        let hello = json!({"contract": CONTRACT, "pod": caller.name, "uid": format!("uid-{}", caller.name),
            "bootId": format!("{}-{}", caller.name, caller.starts), "epoch": at.as_ref().map(|at| at.0),
            "sequence": at.as_ref().map(|at| at.1), "orderUid": at.and_then(|at| at.2)});
        let hello: Hello = serde_json::from_value(hello).expect("a hello");
        caller.stream = self.leaders[leader].0.edges.pretend(&key(), &hello);
    }

    fn fill(&mut self, edge: usize) {
        let after = self.accepted();
        let label = self.edges[edge].position().map(|(epoch, number, _)| (epoch, number));
        self.edges[edge].stored = Some(Stored { label, after });
    }

    fn take(&mut self, edge: usize) {
        let edge = &mut self.edges[edge];
        if let Some(stream) = &mut edge.stream {
            if stream.is_closed() {
                edge.stream = None;
                return;
            }
            let owed = stream.owed();
            edge.inbox.extend(owed);
        }
        for _ in 0..=self.dice.roll(4) {
            edge.take();
        }
    }

    /// One look, which dies at some call every second time.
    async fn look(&mut self, leader: usize) {
        let dies = self.dice.roll(2) == 0;
        if dies {
            let (after, carried_out) = (self.dice.roll(8), self.dice.roll(2) == 0);
            self.api.cut(Cut { after, carried_out });
        }
        let context = &self.leaders[leader].0;
        let looked = timeout(DEADLINE, reconcile(context, &key())).await;
        self.api.mend();
        // A look that dies is sometimes the end of its process.
        if looked.is_err() && self.dice.roll(2) == 0 {
            self.leaders[leader] = self.leader();
        }
    }

    /// What must hold at every moment.
    fn check(&self) {
        let all = self.invalidations();
        let mut numbers = BTreeMap::new();
        for one in &all {
            let sequence = &one["status"]["sequence"];
            if sequence.is_null() {
                continue;
            }
            let other = numbers.insert(sequence.to_string(), one["metadata"]["name"].clone());
            // Only where a status was lost can a number be given in two lives; those differ by their epoch.
            assert_eq!(other, None, "{sequence} stands on {} too", one["metadata"]["name"]);
        }
        for one in all.iter().filter(|one| is_complete(one)) {
            let uid = one["metadata"]["uid"].to_string();
            for edge in &self.edges {
                let old = edge.serves().filter(|stored| !stored.after.contains(&uid));
                assert!(old.is_none(), "{} serves what was read before {uid}: {old:?} of {:?}", edge.name, edge.logs);
            }
        }
    }

    /// Without further faults everything is complete at last.
    async fn settle(&mut self) {
        self.leaders = vec![self.leader()];
        for edge in 0..self.edges.len() {
            self.call(edge, 0);
        }
        for _ in 0..15 {
            tokio::time::advance(Duration::from_secs(1)).await;
            self.catch_up(&self.leaders[0].0, |_| true);
            reconcile(&self.leaders[0].0, &key()).await.expect("nothing fails");
            for edge in 0..self.edges.len() {
                self.take(edge);
                if self.edges[edge].stream.is_none() {
                    self.call(edge, 0);
                }
            }
            self.check();
        }
        for one in self.invalidations() {
            assert!(is_complete(&one), "never complete: {one}");
        }
    }
}

fn is_complete(invalidation: &Value) -> bool {
    let conditions = invalidation["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|one| one["type"] == "Complete" && one["status"] == "True")
}

async fn play(seeds: std::ops::Range<u64>, losses: usize) {
    for seed in seeds {
        let mut world = World::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        world.losses = losses;
        for _ in 0..150 {
            world.step().await;
        }
        world.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn f8_two_leaders_that_die_at_any_call_break_no_promise() {
    play(0..6, 0).await;
}

#[tokio::test(start_paused = true)]
async fn f8_a_status_that_is_lost_under_two_leaders_breaks_no_promise() {
    play(0..6, 2).await;
}
