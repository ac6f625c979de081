//! Rust source as tokens, with a mark on code that only tests compile.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

/// Keywords that begin an item; everything else with attributes ends at a comma.
const ITEMS: [&str; 16] = [
    "mod",
    "use",
    "fn",
    "impl",
    "struct",
    "enum",
    "union",
    "trait",
    "const",
    "static",
    "type",
    "unsafe",
    "extern",
    "async",
    "macro_rules",
    "let",
];

/// The tokens of one level, each with whether it belongs to an item under `#[cfg(test)]`.
pub(crate) fn marked(stream: TokenStream) -> Vec<(TokenTree, bool)> {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut marked = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let Some(first) = rest.first() {
        let length = if has_test_attribute(rest) { item_length(rest) } else { 0 };
        if length == 0 {
            marked.push((first.clone(), false));
            rest = rest.get(1..).unwrap_or_default();
        } else {
            let (item, after) = rest.split_at(length.min(rest.len()));
            marked.extend(item.iter().map(|token| (token.clone(), true)));
            rest = after;
        }
    }
    marked
}

/// The tokens without the code that only tests compile.
pub(crate) fn without_tests(stream: TokenStream) -> TokenStream {
    let kept = marked(stream).into_iter().filter(|(_, test)| !test).map(|(token, _)| match token {
        TokenTree::Group(group) => {
            let mut inner = Group::new(group.delimiter(), without_tests(group.stream()));
            inner.set_span(group.span());
            TokenTree::Group(inner)
        }
        other => other,
    });
    kept.collect()
}

/// Names of modules that are declared under `#[cfg(test)]`, at the top of a file.
pub(crate) fn test_modules(stream: TokenStream) -> Vec<String> {
    let tokens: Vec<TokenTree> =
        marked(stream).into_iter().filter(|(_, test)| *test).map(|(token, _)| token).collect();
    let names = tokens.windows(2).filter_map(|pair| match pair {
        [TokenTree::Ident(keyword), TokenTree::Ident(name)] if keyword == "mod" => Some(name.to_string()),
        _ => None,
    });
    names.collect()
}

/// Whether a path holds tests only.
pub(crate) fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// Whether `#[cfg(test)]` is among the attributes that begin here; a doc comment is an attribute,
/// too.
fn has_test_attribute(tokens: &[TokenTree]) -> bool {
    let is_hash = |token: &TokenTree| matches!(token, TokenTree::Punct(mark) if mark.as_char() == '#');
    let mut attributes = tokens.chunks(2).take_while(|pair| pair.first().is_some_and(is_hash));
    attributes.any(is_test_attribute)
}

fn is_test_attribute(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Punct(hash), TokenTree::Group(group), ..] = tokens else { return false };
    if hash.as_char() != '#' || group.delimiter() != Delimiter::Bracket {
        return false;
    }
    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
    match inner.as_slice() {
        [TokenTree::Ident(name), TokenTree::Group(condition)] if name == "cfg" => {
            requires_test(condition.stream())
        }
        _ => false,
    }
}

/// Whether a condition is `test`, or `all(…)` with `test` among its parts.
fn requires_test(condition: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = condition.into_iter().collect();
    let is_test = |token: &TokenTree| matches!(token, TokenTree::Ident(name) if name == "test");
    match tokens.as_slice() {
        [TokenTree::Ident(all), TokenTree::Group(parts)] if all == "all" => {
            parts.stream().into_iter().any(|token| is_test(&token))
        }
        [token] => is_test(token),
        _ => false,
    }
}

/// The number of tokens of one item, field, arm or statement, with its attributes.
fn item_length(tokens: &[TokenTree]) -> usize {
    let mut start = 0;
    while let Some(TokenTree::Punct(hash)) = tokens.get(start) {
        if hash.as_char() != '#' {
            break;
        }
        start += 2;
    }
    if matches!(tokens.get(start), Some(TokenTree::Ident(ident)) if ident == "pub") {
        start += 1;
        start += usize::from(matches!(tokens.get(start), Some(TokenTree::Group(_))));
    }
    let item = begins_item(tokens.get(start..).unwrap_or_default());
    for (index, token) in tokens.iter().enumerate().skip(start) {
        let end = match token {
            TokenTree::Punct(mark) if mark.as_char() == ';' => true,
            TokenTree::Punct(mark) => mark.as_char() == ',' && !item,
            TokenTree::Group(group) => item && group.delimiter() == Delimiter::Brace,
            _ => false,
        };
        if end {
            let semicolon = matches!(tokens.get(index + 1), Some(TokenTree::Punct(p)) if p.as_char() == ';');
            return index + 1 + usize::from(semicolon);
        }
    }
    tokens.len()
}

/// Whether tokens begin an item, or a macro call in braces.
fn begins_item(tokens: &[TokenTree]) -> bool {
    let is_keyword = |ident: &Ident| ITEMS.contains(&ident.to_string().as_str());
    if matches!(tokens.first(), Some(TokenTree::Ident(ident)) if is_keyword(ident)) {
        return true;
    }
    let path = |token: &&TokenTree| match token {
        TokenTree::Ident(_) => true,
        TokenTree::Punct(mark) => [':', '!'].contains(&mark.as_char()),
        _ => false,
    };
    let call: Vec<&TokenTree> = tokens.iter().take_while(path).collect();
    let braces =
        |group: &TokenTree| matches!(group, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace);
    matches!(call.last(), Some(TokenTree::Punct(mark)) if mark.as_char() == '!')
        && tokens.get(call.len()).is_some_and(braces)
}

#[cfg(test)]
mod tests {
    fn check(source: &str, expected: &str) {
        let left = super::without_tests(source.parse().unwrap());
        assert_eq!(left.to_string(), expected.parse::<super::TokenStream>().unwrap().to_string());
    }

    #[test]
    fn items_under_cfg_test_are_left_out() {
        check("fn a() {} #[cfg(test)] mod tests { fn b() {} } fn c() {}", "fn a() {} fn c() {}");
        check("#[cfg(test)] #[allow(x)] use a::{b, c}; fn d() {}", "fn d() {}");
        check("/// A.\n#[cfg(test)] pub(crate) fn a() {} fn d() {}", "fn d() {}");
        check("#[cfg(test)] proptest::proptest! { fn e() {} } fn d() {}", "fn d() {}");
        check("#[cfg(all(test, unix))] impl<A, B> C<A, B> { fn e() {} } fn d() {}", "fn d() {}");
    }

    #[test]
    fn fields_under_cfg_test_end_at_the_comma() {
        check("struct A { #[cfg(test)] b: u8, c: u8 }", "struct A { c: u8 }");
        check("struct A { #[cfg(test)] pub(crate) b: u8, c: u8 }", "struct A { c: u8 }");
    }

    #[test]
    fn other_conditions_stay() {
        let source = "#[cfg(not(test))] fn a() {} #[cfg(any(test, unix))] fn b() {}";
        check(source, source);
    }

    #[test]
    fn modules_of_tests_are_listed() {
        let source = "mod a; #[cfg(test)] mod tests; #[cfg(test)] mod example;";
        assert_eq!(super::test_modules(source.parse().unwrap()), ["tests", "example"]);
    }
}
