//! Query parameters of a request.
//!
//! Invariant: each parameter is read at most once. An unknown or repeated parameter, or a bad
//! value, is an error that names the parameter and the allowed values.

use percent_encoding::percent_decode_str;

/// A query parameter that cannot be used. The text names the parameter and the allowed values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadParameter(String);

impl BadParameter {
    /// A parameter with a bad value.
    pub(crate) fn value(name: &str, value: &str, allowed: &str) -> Self {
        Self(format!("bad value `{value}` of parameter `{name}`: allowed is {allowed}"))
    }
}

/// Parameters that are not read yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters {
    rest: Vec<(String, String)>,
    /// Names that the endpoint has asked for, in this order.
    known: Vec<&'static str>,
}

impl Parameters {
    /// Splits the part of a URL after `?`.
    pub(crate) fn parse(query: &str) -> Self {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let parts = query.split('&').filter(|part| !part.is_empty());
        let pairs = parts.map(|part| part.split_once('=').unwrap_or((part, "")));
        let rest = pairs.map(|(name, value)| (decode(name), decode(value))).collect();
        Self { rest, known: Vec::new() }
    }

    /// Removes a parameter and returns its text.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let index = self.rest.iter().position(|(given, _)| given == name)?;
        Some(self.rest.remove(index).1)
    }

    /// Removes a parameter and converts it. `allowed` describes the values that `convert` accepts.
    pub(crate) fn value<T>(
        &mut self,
        name: &'static str,
        allowed: &str,
        convert: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, BadParameter> {
        let Some(text) = self.text(name) else { return Ok(None) };
        convert(&text).map(Some).ok_or_else(|| BadParameter::value(name, &text, allowed))
    }

    /// Checks that all parameters are read.
    pub(crate) fn finish(self) -> Result<(), BadParameter> {
        let Some((name, _)) = self.rest.first() else { return Ok(()) };
        if self.known.iter().any(|known| known == name) {
            return Err(BadParameter(format!("parameter `{name}` is repeated")));
        }
        let known = self.known.join(", ");
        Err(BadParameter(format!("unknown parameter `{name}`: allowed are {known}")))
    }

    /// Returns the names that the endpoint has asked for.
    #[cfg(test)]
    pub(crate) fn known(&self) -> &[&'static str] {
        &self.known
    }
}

#[cfg(test)]
mod tests {
    use super::Parameters;

    /// Reads `a` as text and `n` as a number.
    #[track_caller]
    fn check(query: &str, expected: &str) {
        let mut parameters = Parameters::parse(query);
        let a = parameters.text("a");
        let n = parameters.value("n", "a number", |text| text.parse::<u8>().ok());
        let read = n.and_then(|n| parameters.finish().map(|()| format!("{a:?} {n:?}")));
        assert_eq!(read.unwrap_or_else(|problem| problem.to_string()), expected);
    }

    #[test]
    fn errors_name_the_parameter_and_the_allowed_values() {
        check("", "None None");
        check("n=7&a=x%26y", "Some(\"x&y\") Some(7)");
        check("a", "Some(\"\") None");
        check("n=256", "bad value `256` of parameter `n`: allowed is a number");
        check("b=1", "unknown parameter `b`: allowed are a, n");
        check("a=1&a=2", "parameter `a` is repeated");
    }
}
