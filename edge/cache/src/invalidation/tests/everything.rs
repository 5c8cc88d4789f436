//! The ledger against a list that remembers everything.

use proptest::prelude::*;

use super::*;

/// What can happen to an edge's ledger.
#[derive(Clone, Debug)]
enum Step {
    Order(Scope),
    /// The operator raised the floor over numbers that nobody holds any more, and this edge never got them.
    Compacted(u64),
    Ping,
    Overwritten(String),
    Fill(String),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let scope = prop_oneof![
        6 => "/[ab/]{0,3}".prop_map(Scope::Exact),
        6 => "/[ab/]{0,3}".prop_map(Scope::Prefix),
        1 => Just(Scope::Everything),
    ];
    prop_oneof![
        8 => scope.prop_map(Step::Order),
        1 => (1_u64..4).prop_map(Step::Compacted),
        2 => Just(Step::Ping),
        2 => "/[ab/]{0,3}".prop_map(Step::Overwritten),
        8 => "/[ab/]{0,4}".prop_map(Step::Fill),
        1 => Just(Step::Sweep),
    ]
}

/// A list that forgets nothing and asks every entry.
#[derive(Default)]
struct Naive {
    orders: Vec<(u64, NormalScope)>,
    floors: Vec<u64>,
    writes: Vec<String>,
}

impl Naive {
    fn admits(&self, label: Label, target: &str) -> bool {
        let number = label.log.map_or(0, |sequence| sequence.number);
        let written = self.writes.iter().zip(1_u64..).any(|(path, n)| path == target && label.local < n);
        !written
            && self.floors.iter().all(|floor| number >= *floor)
            && self.orders.iter().all(|(n, scope)| number >= *n || !scope.covers(target))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_ledger_says_what_a_list_of_everything_says(steps in proptest::collection::vec(step(), 1..60), headed in any::<bool>()) {
        let all = site(Choice::All, None);
        let mut ledger = if headed { begun() } else { Ledger::default() };
        let mut naive = Naive::default();
        let mut counter = 0;
        let mut floor = 0;
        // What is stored: label, target, last check.
        let mut store: Vec<(Label, String, Stamp)> = Vec::new();
        for step in steps {
            match step {
                Step::Order(scope) => {
                    counter += 1;
                    let order = order(E, counter, scope);
                    let scopes = NormalScopes::of(&order.scopes, &all);
                    naive.orders.extend(scopes.covers.iter().map(|scope| (counter, scope.clone())));
                    ledger.apply(&order, &scopes);
                    ledger.take_head(head(E, counter, floor));
                }
                Step::Compacted(numbers) => {
                    counter += numbers;
                    floor = counter;
                    naive.floors.push(floor);
                    ledger.take_head(head(E, counter, floor));
                }
                Step::Ping => { ledger.take_head(head(E, counter, floor)); }
                Step::Overwritten(target) => {
                    naive.writes.push(target.clone());
                    ledger.overwritten(&target);
                }
                Step::Fill(target) => store.push((ledger.label(), target, Stamp::default())),
                Step::Sweep => {
                    let stamp = ledger.stamp();
                    for (label, target, checked) in &mut store {
                        if let Admission::Admitted(now) = ledger.admits(*label, *checked, target) {
                            *checked = now;
                        }
                    }
                    ledger.forget(stamp);
                }
            }
            for (label, target, checked) in &mut store {
                let admission = ledger.admits(*label, *checked, target);
                prop_assert_eq!(admission.is_admitted(), naive.admits(*label, target), "{} {:?}", target, label);
                if let Admission::Admitted(now) = admission {
                    *checked = now;
                }
            }
        }
    }
}
