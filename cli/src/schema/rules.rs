//! An object and the rules across fields in its schema (CEL) into those that it breaks.
//!
//! The rules are this project's own, and what they are asked about is a file of whoever runs this: nobody else's input is
//! evaluated. Rules that compare with the object as it was before (`oldSelf`) are for updates; a file is always a new object.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use cel::extractors::This;
use cel::{Context, ExecutionError, Program, Value};
use crds::duration::Duration;
use ipnet::IpNet;
use operator::quantity::billionths;
use serde_json::Value as Json;

use super::{Fault, words};

/// Rules are few, and the same ones are asked for each item of a list.
static COMPILED: LazyLock<Mutex<BTreeMap<String, Arc<Program>>>> = LazyLock::new(Mutex::default);

/// Every rule that does not hold.
pub(super) fn check(object: &Json, schema: &Json) -> Vec<Fault> {
    let mut faults = Vec::new();
    visit(object, schema, "", &mut faults);
    faults
}

fn visit(value: &Json, schema: &Json, field: &str, faults: &mut Vec<Fault>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        faults.extend(broken(rule, value, field));
    }
    match value {
        Json::Object(entries) => {
            for (name, value) in entries {
                let inner = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
                let of_name = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
                if let Some(schema) = of_name {
                    visit(value, schema, &inner, faults);
                }
            }
        }
        Json::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let name_of = |key: &str| words::of_scalar(&item[key]);
                visit(item, &schema["items"], &words::item(field, schema, at, name_of), faults);
            }
        }
        _ => {}
    }
}

/// What a rule says, if it does not hold.
fn broken(rule: &Json, value: &Json, field: &str) -> Option<Fault> {
    let text = rule["rule"].as_str().filter(|text| !text.contains("oldSelf"))?;
    let said = rule["message"].as_str().unwrap_or(text);
    let message = match ask(text, value) {
        Ok(true) => return None,
        Ok(false) => said.to_owned(),
        // An API server refuses what it cannot judge, too.
        Err(error) => format!("{said} ({error})"),
    };
    let path = rule["fieldPath"].as_str().unwrap_or_default();
    let found = path.split('.').filter(|name| !name.is_empty()).fold(value, |value, name| &value[name]);
    let message = match words::of_scalar(found).filter(|_| said.contains(" must ")) {
        Some(found) => format!("{message} (it is {found})"),
        None => message,
    };
    Some(Fault { field: format!("{field}{path}").trim_start_matches('.').to_owned(), message })
}

fn ask(text: &str, value: &Json) -> Result<bool, String> {
    let program = compile(text)?;
    let mut context = functions()?;
    context.add_variable_from_value("self", of_json(value));
    match program.execute(&context) {
        Ok(Value::Bool(holds)) => Ok(holds),
        Ok(other) => Err(format!("the rule says {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

/// A rule, ready to be asked.
pub(super) fn compile(text: &str) -> Result<Arc<Program>, String> {
    // Whatever panicked with it in hand has left it whole.
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = compiled.get(text) {
        return Ok(Arc::clone(program));
    }
    let program = Arc::new(Program::compile(text).map_err(|error| error.to_string())?);
    compiled.insert(text.to_owned(), Arc::clone(&program));
    Ok(program)
}

/// Their names.
#[cfg(test)]
const OURS: [&str; 8] = ["duration", "isQuantity", "quantity", "compareTo", "lowerAscii", "isCIDR", "cidr", "masked"];

/// The functions of a rule that nobody knows here: an API server does, and the rule could not be judged.
#[cfg(test)]
pub(super) fn unknown(text: &str) -> Vec<String> {
    let program = compile(text).unwrap_or_else(|error| panic!("{text} cannot be asked: {error}"));
    let named = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    // What the language has by itself cannot be added to it.
    let is_unknown = |name: &&str| {
        !OURS.contains(name)
            && Context::default().add_function(name, |value: Value| Ok::<_, ExecutionError>(value)).is_ok()
    };
    program.references().functions().into_iter().filter(named).filter(is_unknown).map(str::to_owned).collect()
}

/// What Kubernetes adds to the language, as far as our rules use it.
fn functions<'a>() -> Result<Context<'a, 'a>, String> {
    let mut context = Context::default();
    let added = [
        context.add_function("duration", |text: Arc<String>| milliseconds(&text)),
        context.add_function("isQuantity", |text: Arc<String>| billionths(&text).is_some()),
        context.add_function("quantity", |text: Arc<String>| number(&text)),
        context.add_function("compareTo", |This(one): This<f64>, other: f64| Value::Int(order(one, other))),
        context.add_function("lowerAscii", |This(text): This<Arc<String>>| text.to_ascii_lowercase()),
        context.add_function("isCIDR", |text: Arc<String>| text.parse::<IpNet>().is_ok()),
        context.add_function("cidr", |text: Arc<String>| network(&text, "cidr").map(said)),
        context
            .add_function("masked", |This(text): This<Arc<String>>| network(&text, "masked").map(|n| said(n.trunc()))),
    ];
    added.into_iter().collect::<Result<(), _>>().map_err(|error| error.to_string())?;
    Ok(context)
}

fn milliseconds(text: &str) -> Result<Value, ExecutionError> {
    let length = text.parse::<Duration>().and_then(|duration| duration.length());
    let length = length.map_err(|error| ExecutionError::function_error("duration", error))?;
    Ok(Value::Int(i64::try_from(length.as_millis()).unwrap_or(i64::MAX)))
}

#[expect(clippy::cast_precision_loss, reason = "bounds are compared, and they lie far from each other")]
fn number(text: &str) -> Result<Value, ExecutionError> {
    let value = billionths(text).ok_or_else(|| ExecutionError::function_error("quantity", "no quantity"))?;
    Ok(Value::Float(value as f64))
}

/// A network is the one text that stands for it.
fn network(text: &str, function: &str) -> Result<IpNet, ExecutionError> {
    text.parse().map_err(|error| ExecutionError::function_error(function, error))
}

fn said(network: IpNet) -> Value {
    network.to_string().into()
}

fn order(one: f64, other: f64) -> i64 {
    one.total_cmp(&other) as i64
}

/// Whole numbers are `int`, as Kubernetes gives them to rules.
fn of_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(is) => Value::Bool(*is),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or_default()), Value::Int)
        }
        Json::String(text) => text.clone().into(),
        Json::Array(items) => items.iter().map(of_json).collect::<Vec<_>>().into(),
        Json::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), of_json(value))).collect::<HashMap<_, _>>().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: &str, value: &Json, expect: bool) {
        assert_eq!(ask(rule, value), Ok(expect), "{rule} of {value}");
    }

    #[test]
    fn what_kubernetes_adds_to_the_language_means_what_it_says() {
        let text = "type(self) == int ? self <= 3 : string(self).matches('^[a-z]+$')";
        check("duration(self) <= duration('1m')", &Json::from("60s"), true);
        check("duration(self) <= duration('1m')", &Json::from("1m1ms"), false);
        check("quantity(string(self)).compareTo(quantity('1Mi')) >= 0", &Json::from("1Gi"), true);
        check("quantity(string(self)).compareTo(quantity('1Mi')) >= 0", &Json::from(1_000_000), false);
        check("isQuantity(string(self))", &Json::from("1 Gi"), false);
        check("self.lowerAscii() in ['host', 'via']", &Json::from("HOST"), true);
        check("isCIDR(self)", &Json::from("10.0.0.0/33"), false);
        check("cidr(self) == cidr(self).masked()", &Json::from("10.0.0.0/8"), true);
        check("cidr(self) == cidr(self).masked()", &Json::from("10.0.0.1/8"), false);
        check(text, &Json::from(3), true);
        check(text, &Json::from(4), false);
        check(text, &Json::from("http"), true);
        check(text, &Json::from("HTTP"), false);
    }

    #[test]
    fn a_function_that_nobody_knows_is_found() {
        assert_eq!(unknown("self.all(one, isCIDR(one) && !one.matches('a') && size(one) > 1)"), Vec::<String>::new());
        assert_eq!(unknown("isURL(self)"), ["isURL"]);
    }

    #[test]
    fn a_rule_that_cannot_be_judged_does_not_hold() {
        assert!(ask("duration(self) <= duration('1m')", &Json::from("soon")).is_err());
        assert!(ask("self.nothing == 1", &serde_json::json!({})).is_err());
        assert!(ask("self ==", &Json::Null).is_err());
    }
}
