//! Content negotiation of `/metrics`.
//!
//! In: an `Accept` header. Out: a format. Invariant: the known format of the highest weight is
//! chosen, of equal ones the first; text 0.0.4, which every client reads, if none is known.
//!
//! Source: RFC 9110, 12.5.1. Prometheus (`scrape/scrape.go`) asks for protobuf first if it scrapes
//! native histograms, otherwise for OpenMetrics.

/// An exposition format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text 0.0.4.
    Prometheus,
    /// OpenMetrics text 1.0, with exemplars and created times.
    OpenMetrics,
    /// Length-delimited messages, with exemplars, created times and native histograms.
    Protobuf,
}

impl Format {
    /// The format that a header asks for.
    pub(crate) fn wanted(accept: &str) -> Self {
        let none = (0.0, Self::Prometheus);
        let offers = accept.split(',').filter_map(offer);
        offers.fold(none, |best, offer| if offer.0 > best.0 { offer } else { best }).1
    }

    /// Value of the header `Content-Type`.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }
}

/// Weight and format of one media range of a header.
fn offer(range: &str) -> Option<(f32, Format)> {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next()?;
    let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
    let get =
        |name: &str| parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|it| it.1);
    let format = match kind {
        "application/vnd.google.protobuf" => {
            let is_ours = get("proto") == Some("io.prometheus.client.MetricFamily");
            (is_ours && get("encoding") == Some("delimited")).then_some(Format::Protobuf)?
        }
        "application/openmetrics-text" => Format::OpenMetrics,
        "text/plain" | "text/*" | "*/*" => Format::Prometheus,
        _ => return None,
    };
    Some((get("q").map_or(Some(1.0), |weight| weight.parse().ok())?, format))
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[track_caller]
    fn check(accept: &str, expected: Format) {
        assert_eq!(Format::wanted(accept), expected, "{accept}");
    }

    #[test]
    fn the_known_format_of_the_highest_weight_is_chosen() {
        let protobuf =
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        let text =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        check(&format!("{protobuf};q=0.6,{text}"), Format::Protobuf);
        check(&format!("{text}, {protobuf}; q=0.4"), Format::OpenMetrics);
        check(text, Format::OpenMetrics);
        check("application/openmetrics-text", Format::OpenMetrics);
        check("text/plain,application/openmetrics-text", Format::Prometheus);
        check(&protobuf.replace("delimited", "text"), Format::Prometheus);
        check("application/json", Format::Prometheus);
        check("application/openmetrics-text;q=0", Format::Prometheus);
        check("application/openmetrics-text;q=x", Format::Prometheus);
        check("", Format::Prometheus);
    }
}
