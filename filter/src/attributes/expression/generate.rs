//! The questions, written out as Envoy compiles them.
//!
//! In: the values of each question. Out: the files beside this one. Always holds: the files say what the values say; a
//! stale one is written anew and fails the test. They are files so that no proxy has the code that makes them.

use super::*;

impl Expression {
    fn written(self) -> String {
        match self {
            Self::Failure => list(FAILURE.iter(), true),
            Self::Authority => list(AUTHORITY.iter(), true),
            Self::SourceEdge => list(SOURCE_EDGE.iter(), true),
            Self::DestinationEdge => list(DESTINATION_EDGE.iter(), true),
            Self::Connection => list(CONNECTION.iter(), true),
            Self::Request | Self::RequestGuarded => {
                let of = |side: &[Value]| list(BOTH_SIDES.iter().chain(side), self == Self::RequestGuarded);
                format!("xds.listener_direction == 1 ? {} : {}", of(&DESTINATION), of(&SOURCE))
            }
        }
    }
}

impl Value {
    fn expression(self, guarded: bool) -> String {
        let (attribute, absent) = match self {
            Self::Number(attribute) => (attribute, "-1"),
            Self::Text(attribute) => (attribute, "''"),
            Self::Metadata(attribute) => return metadata(attribute),
            Self::Has(attribute) => return format!("has({}) ? 1 : 0", attribute.name()),
            Self::Header(attribute) => {
                let name = attribute.name().replace("request.headers.", "");
                return format!("'{name}' in request.headers ? request.headers['{name}'] : ''");
            }
            Self::Grpc => {
                let status = "response.grpc_status";
                let status =
                    if guarded { format!("has({status}) ? {status} : {ABSENT}") } else { status.to_owned() };
                return format!(
                    "'content-type' in request.headers && \
                     request.headers['content-type'].startsWith('application/grpc') ? ({status}) : {NO_GRPC}"
                );
            }
        };
        let name = attribute.name();
        if guarded { format!("has({name}) ? {name} : {absent}") } else { name }
    }
}

fn list<'a>(values: impl Iterator<Item = &'a Value>, guarded: bool) -> String {
    let values: Vec<String> = values.map(|value| value.expression(guarded)).collect();
    format!("[\n  {}\n]", values.join(",\n  "))
}

/// Each level is guarded: an endpoint without metadata has one that is null.
fn metadata(attribute: Attribute) -> String {
    let name = attribute.name();
    let mut parts = name.split('.').skip(1);
    let mut inner = format!("xds.{}", parts.next().unwrap());
    let mut guard = format!("has({inner}) && {inner} != null");
    for part in parts {
        if part == "filter_metadata" {
            inner = format!("{inner}.{part}");
        } else if part.parse::<u32>().is_ok() {
            inner = format!("{inner}[{part}]");
        } else {
            guard = format!("{guard} && '{part}' in {inner}");
            inner = format!("{inner}['{part}']");
        }
    }
    format!("{guard} ? {inner} : ''")
}

#[cfg(not(target_arch = "wasm32"))]
fn snake(question: Expression) -> String {
    format!("{question:?}").chars().fold(String::new(), |name, c| match c {
        'A'..='Z' if !name.is_empty() => name + "_" + &c.to_ascii_lowercase().to_string(),
        c => name + &c.to_ascii_lowercase().to_string(),
    })
}

#[test]
#[cfg(not(target_arch = "wasm32"))]
fn the_files_say_what_the_values_say() {
    let mut stale: Vec<Expression> =
        EXPRESSIONS.into_iter().filter(|it| it.expression().trim_end() != it.written()).collect();
    for question in &stale {
        let snake = snake(*question);
        let path = format!("{}/src/attributes/expression/{snake}.cel", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, question.written() + "\n").unwrap();
    }
    for question in [Expression::Request, Expression::RequestGuarded] {
        let (snake, plain) = (snake(question), question.written());
        let header = "'@' in request.headers ? request.headers['@'] : ";
        let line = plain.lines().find(|line| line.contains("request.id")).unwrap();
        let text = plain.replace(line, &format!("  {header}{}", line.trim_start())) + "\n";
        let path = format!("{}/src/attributes/expression/{snake}_hop_header.cel", env!("CARGO_MANIFEST_DIR"));
        if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            std::fs::write(path, text).unwrap();
            stale.push(question);
        }
    }
    assert!(stale.is_empty(), "written anew, run again: {stale:?}");
}

#[test]
fn the_name_of_the_hop_header_stands_in_the_expression() {
    let with = Expression::Request.expression_with("x-hop");
    assert!(with.contains("'x-hop' in request.headers ? request.headers['x-hop'] : request.id,"), "{with}");
    assert!(!with.contains('@'));
    assert_eq!(Expression::Request.expression_with(""), Expression::Request.expression());
}

#[test]
fn a_question_is_its_place_in_the_list() {
    assert!(EXPRESSIONS.into_iter().enumerate().all(|(place, question)| question as usize == place));
}
