//! A run in which both differ into the smallest one that still does.

use edge_contract::Behavior;

use crate::scene::{Answer, Event, Scene};

/// Takes away what can be taken away, as long as anything can.
pub fn shrink(scene: Scene, differs: impl Fn(&Scene) -> bool) -> Scene {
    let mut smallest = scene;
    'anew: loop {
        for smaller in smaller(&smallest) {
            if differs(&smaller) {
                smallest = smaller;
                continue 'anew;
            }
        }
        return smallest;
    }
}

fn smaller(scene: &Scene) -> Vec<Scene> {
    let mut all = Vec::new();
    for at in (0..scene.events.len()).rev() {
        let mut fewer = scene.clone();
        fewer.events.remove(at);
        all.push(fewer);
    }
    for at in 0..scene.events.len() {
        for event in simpler(&scene.events[at]) {
            let mut changed = scene.clone();
            changed.events[at] = event;
            all.push(changed);
        }
    }
    let plain = Behavior::plain("*", "app");
    if !scene.owner.errors.is_empty() {
        let mut changed = scene.clone();
        changed.owner.errors.clear();
        all.push(changed);
    }
    let settings: [fn(&mut Behavior, &Behavior); 7] = [
        |b, plain| b.ttl.heuristic = plain.ttl.heuristic,
        |b, plain| b.stale.if_unreachable = plain.stale.if_unreachable,
        |b, plain| b.stale.if_error = plain.stale.if_error,
        |b, plain| b.stale.while_revalidate = plain.stale.while_revalidate,
        |b, plain| b.set_cookie = plain.set_cookie,
        |b, plain| b.viewer_controls = plain.viewer_controls,
        |b, plain| b.key = plain.key.clone(),
    ];
    for set in settings {
        let mut changed = scene.clone();
        set(&mut changed.owner.behavior, &plain);
        if changed.owner.behavior != scene.owner.behavior {
            all.push(changed);
        }
    }
    all
}

fn simpler(event: &Event) -> Vec<Event> {
    let Event::Ask(ask) = event else { return Vec::new() };
    let mut all = Vec::new();
    for at in 0..ask.fields.len() {
        let mut fewer = ask.clone();
        fewer.fields.remove(at);
        all.push(Event::Ask(fewer));
    }
    for answer in simpler_answers(&ask.conditional) {
        all.push(Event::Ask(Box::new(crate::scene::Ask { conditional: answer, ..*ask.clone() })));
    }
    for answer in simpler_answers(&ask.plain) {
        all.push(Event::Ask(Box::new(crate::scene::Ask { plain: answer, ..*ask.clone() })));
    }
    if ask.meanwhile.is_some() {
        all.push(Event::Ask(Box::new(crate::scene::Ask { meanwhile: None, ..*ask.clone() })));
    }
    all
}

fn simpler_answers(answer: &Answer) -> Vec<Answer> {
    let Answer::Head { delay, status, fields } = answer else { return Vec::new() };
    let (delay, status) = (*delay, *status);
    let mut all = Vec::new();
    if delay > 0 {
        all.push(Answer::Head { delay: 0, status, fields: fields.clone() });
    }
    if status != 200 && status != 304 {
        all.push(Answer::Head { delay, status: 200, fields: fields.clone() });
    }
    for at in 0..fields.len() {
        let mut fewer = fields.clone();
        fewer.remove(at);
        all.push(Answer::Head { delay, status, fields: fewer });
    }
    for (at, (name, value)) in fields.iter().enumerate() {
        // One directive less.
        let members: Vec<_> = value.split(", ").collect();
        if name.ends_with("cache-control") && members.len() > 1 {
            for gone in 0..members.len() {
                let mut left = members.clone();
                left.remove(gone);
                let mut changed = fields.clone();
                changed[at].1 = left.join(", ");
                all.push(Answer::Head { delay, status, fields: changed });
            }
        }
    }
    all
}
