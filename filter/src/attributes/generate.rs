//! The generator of the CEL files, and their test.
//!
//! Invariant: the files match the elements. A stale file is written again and fails the test. The
//! texts are files so that the module does not contain the code that makes them.

use super::attribute::Attribute;
use super::elements::{Element, elements};
use super::expression::{EXPRESSIONS, Expression, GRPC_STATUS_CEL, NO_STATUS, NOT_GRPC};

impl Expression {
    fn generated(self) -> String {
        let of = |inbound| list(elements(self, || inbound), self != Self::Request);
        match self {
            Self::Request | Self::RequestGuarded => {
                format!("xds.listener_direction == 1 ? {} : {}", of(true), of(false))
            }
            _ => of(false),
        }
    }
}

impl Element {
    fn cel(self, guarded: bool) -> String {
        let (attribute, absent) = match self {
            Self::Number(attribute) => (attribute, "-1"),
            Self::Text(attribute) => (attribute, "''"),
            Self::Metadata(attribute) => return metadata(attribute),
            Self::IsPresent(attribute) => return format!("has({}) ? 1 : 0", attribute.name()),
            Self::Header(attribute) => {
                let name = attribute.name().replace("request.headers.", "");
                return format!("'{name}' in request.headers ? request.headers['{name}'] : ''");
            }
            Self::GrpcStatus => return "#".to_owned(),
        };
        let name = attribute.name();
        let hop_header = if attribute == Attribute::RequestId { "@" } else { "" };
        if guarded {
            format!("{hop_header}has({name}) ? {name} : {absent}")
        } else {
            hop_header.to_owned() + &name
        }
    }
}

/// Returns the text of [`GRPC_STATUS_CEL`]. The first comparison is `false` for most requests, so
/// that the others cost nothing.
fn grpc_status() -> String {
    let content_type = "request.headers['content-type']";
    let from = |map: &str| format!("'grpc-status' in {map} ? {map}['grpc-status']");
    let escaped = |value: &[u8]| format!("'{}'", value.escape_ascii());
    format!(
        "'content-type' in request.headers && {content_type}.startsWith('application/grpc') && \
         ({content_type} == 'application/grpc' || {content_type}.startsWith('application/grpc+')) ? \
         ({} : {} : {}) : {}",
        from("response.trailers"),
        from("response.headers"),
        escaped(NO_STATUS),
        escaped(NOT_GRPC),
    )
}

fn list<'a>(elements: impl Iterator<Item = &'a Element>, guarded: bool) -> String {
    let texts: Vec<String> = elements.map(|element| element.cel(guarded)).collect();
    format!("[\n  {}\n]", texts.join(",\n  "))
}

/// Returns a guarded path. Each level is guarded: the metadata of an endpoint without any is null.
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
fn snake(expression: Expression) -> String {
    format!("{expression:?}").chars().fold(String::new(), |name, c| match c {
        'A'..='Z' if !name.is_empty() => name + "_" + &c.to_ascii_lowercase().to_string(),
        c => name + &c.to_ascii_lowercase().to_string(),
    })
}

#[test]
#[cfg(not(target_arch = "wasm32"))]
fn the_cel_files_match_the_elements() {
    let mut stale: Vec<Expression> =
        EXPRESSIONS.into_iter().filter(|it| it.cel().trim_end() != it.generated()).collect();
    for expression in &stale {
        let snake = snake(*expression);
        let path = format!("{}/src/attributes/expression/{snake}.cel", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, expression.generated() + "\n").unwrap();
    }
    if GRPC_STATUS_CEL.trim_end() != grpc_status() {
        let path = format!("{}/src/attributes/expression/grpc_status.cel", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, grpc_status() + "\n").unwrap();
        stale.push(Expression::Request);
    }
    assert!(stale.is_empty(), "files were written again, rerun the test: {stale:?}");
}

#[test]
fn the_hop_header_is_inserted_into_the_expression() {
    let with = String::from_utf8(Expression::Request.cel_with_hop_header("x-hop")).unwrap();
    assert!(with.contains("'x-hop' in request.headers ? request.headers['x-hop'] : request.id,"), "{with}");
    assert!(!with.contains(['@', '#']));
    let without = String::from_utf8(Expression::Request.cel_with_hop_header("")).unwrap();
    assert_eq!(without, Expression::Request.cel().replace('@', "").replace('#', &grpc_status()));
    let guarded = String::from_utf8(Expression::RequestGuarded.cel_with_hop_header("x-hop")).unwrap();
    assert!(guarded.contains("request.headers['x-hop'] : has(request.id) ? request.id : '',"), "{guarded}");
}

#[test]
fn an_expression_is_its_index_in_the_list() {
    assert!(EXPRESSIONS.into_iter().enumerate().all(|(index, expression)| expression as usize == index));
}
