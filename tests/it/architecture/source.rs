//! Reads a Rust source just far enough to know which paths it names.
//!
//! Comments are dropped and texts kept apart by a small scanner; `use` trees are flattened and
//! `super::` and `self::` are resolved against the file's place and its inline modules. It is not a
//! compiler: a path hidden in a macro's output is not seen.

/// One file.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Its path in the repository.
    pub(super) name: String,
    /// Its text as it is.
    pub(super) text: String,
    /// Its module path below the crate, `["sip", "message", "parse"]`; the root files are themselves.
    pub(super) module: Vec<String>,
    /// Whether all of it is test code.
    pub(super) is_test: bool,
    /// Every path it names.
    pub(super) references: Vec<Reference>,
    /// Every word in its names and texts, in lower case, with its line.
    pub(super) words: Vec<(usize, String)>,
    /// Every trace of unfinished work, with its line.
    pub(super) undone: Vec<(usize, String)>,
    /// Modules declared with a plain `pub`.
    pub(super) public_modules: Vec<String>,
    /// Modules declared with `#[cfg(test)] mod NAME;`.
    test_modules: Vec<Vec<String>>,
}

/// One path in a file.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) line: usize,
    pub(super) in_test: bool,
    pub(super) target: Target,
}

/// Where a path leads.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// Into this crate; the path from its root.
    Inside(Vec<String>),
    /// Into another crate, or to a local name that looks the same.
    Outside(Vec<String>),
}

impl Reference {
    /// The room that is named, for a path into this crate.
    pub(super) fn room(&self) -> Option<&str> {
        match &self.target {
            Target::Inside(path) => path.first().map(String::as_str),
            Target::Outside(_) => None,
        }
    }

    /// The path as one would write it.
    pub(super) fn text(&self) -> String {
        match &self.target {
            Target::Inside(path) => format!("crate::{}", path.join("::")),
            Target::Outside(path) => path.join("::"),
        }
    }
}

impl Source {
    /// Reads one file; `name` is its path in the repository.
    pub(super) fn parse(name: &str, text: &str) -> Self {
        let tokens = tokens(text);
        let module = module_of(name);
        let is_test = module.iter().any(|part| part == "tests") || name.starts_with("tests/");
        let mut walk = Walk::new(&tokens, module.clone(), is_test);
        walk.run();
        let Walk { references, test_modules, public_modules, .. } = walk;
        let undone = undone(&tokens);
        let words = tokens.iter().flat_map(|token| words(token).map(|word| (token.line, word))).collect();
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            module,
            is_test,
            references,
            words,
            undone,
            public_modules,
            test_modules,
        }
    }

    /// The room that the file belongs to.
    pub(super) fn room(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    /// `file:line` of a reference.
    pub(super) fn at(&self, reference: &Reference) -> String {
        format!("{}:{}", self.name, reference.line)
    }
}

/// Marks the files that another file declares for tests only.
pub(super) fn mark_test_files(sources: &mut [Source]) {
    let declared: Vec<Vec<String>> = sources.iter().flat_map(|source| source.test_modules.clone()).collect();
    for source in sources {
        if declared.iter().any(|module| source.module.starts_with(module)) {
            source.is_test = true;
            source.references.iter_mut().for_each(|reference| reference.in_test = true);
        }
    }
}

fn module_of(name: &str) -> Vec<String> {
    let path = name.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
    if module.len() > 1 && module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Name,
    Text,
    Mark,
}

#[derive(Clone, Debug)]
struct Token {
    line: usize,
    kind: Kind,
    text: String,
}

impl Token {
    fn is(&self, text: &str) -> bool {
        self.kind != Kind::Text && self.text == text
    }
}

/// The names, texts and punctuation of a source, without its comments. `::` is one token.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = next(rest, first);
        if let Some(kind) = kind {
            tokens.push(Token { line, kind, text: rest[..length].to_owned() });
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// What comes first and how long it is; `None` for space and comments.
fn next(rest: &str, first: char) -> (Option<Kind>, usize) {
    if rest.starts_with("//") {
        return (None, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (None, comment(rest));
    }
    if let Some(length) = literal(rest) {
        return (Some(Kind::Text), length);
    }
    if first.is_alphanumeric() || first == '_' {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        return (Some(Kind::Name), end.unwrap_or(rest.len()));
    }
    if rest.starts_with("::") {
        return (Some(Kind::Mark), 2);
    }
    let kind = if first.is_whitespace() { None } else { Some(Kind::Mark) };
    (kind, first.len_utf8())
}

/// The length of a block comment, which may hold others.
fn comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        let step = if here.starts_with(b"/*") {
            depth += 1;
            2
        } else if here.starts_with(b"*/") {
            depth -= 1;
            2
        } else {
            1
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a string or character literal, plain, byte or raw.
fn literal(rest: &str) -> Option<usize> {
    let body = rest.trim_start_matches(['b', 'c']);
    let prefix = rest.len() - body.len();
    if prefix <= 1 && body.starts_with('"') {
        return Some(prefix + quoted(body, b'"'));
    }
    if prefix <= 1 && body.starts_with('\'') {
        // A lifetime has no closing quote behind its first character.
        let inner = body[1..].chars().next()?;
        let is_character = inner == '\\' || body[1 + inner.len_utf8()..].starts_with('\'');
        return is_character.then(|| prefix + quoted(body, b'\''));
    }
    let hashes = body.strip_prefix('r')?.bytes().take_while(|byte| *byte == b'#').count();
    let open = prefix + 1 + hashes;
    if prefix > 1 || !rest[open..].starts_with('"') {
        return None;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let length = rest[open + 1..].find(&close)?;
    Some(open + 1 + length + close.len())
}

fn quoted(body: &str, quote: u8) -> usize {
    let mut bytes = body.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        if byte == b'\\' {
            bytes.next();
        } else if byte == quote {
            return at + 1;
        }
    }
    body.len()
}

/// `SendXmppStanza` and `send_xmpp_stanza` are both three words.
fn words(token: &Token) -> impl Iterator<Item = String> + use<> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in token.text.chars().filter(|_| token.kind != Kind::Mark) {
        let starts = letter.is_uppercase() && before.is_lowercase();
        if starts || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.into_iter().filter(|word| !word.is_empty())
}

fn undone(tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for pair in tokens.windows(2) {
        let [first, second] = pair else { continue };
        if first.is("[") && second.is("ignore") {
            found.push((second.line, "#[ignore]".to_owned()));
        }
        if second.is("!") && ["todo", "unimplemented", "dbg"].iter().any(|name| first.is(name)) {
            found.push((first.line, format!("{}!", first.text)));
        }
    }
    found
}

/// A walk over the tokens that knows in which inline module it is.
struct Walk<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    /// The module path here, and for each inline module the depth of its braces and whether it is a test.
    module: Vec<String>,
    inline: Vec<(usize, bool)>,
    is_test: bool,
    /// Whether `#[cfg(test)]` stands before what comes next.
    attribute: bool,
    references: Vec<Reference>,
    test_modules: Vec<Vec<String>>,
    public_modules: Vec<String>,
}

impl<'a> Walk<'a> {
    fn new(tokens: &'a [Token], module: Vec<String>, is_test: bool) -> Self {
        Self {
            tokens,
            at: 0,
            depth: 0,
            module,
            inline: Vec::new(),
            is_test,
            attribute: false,
            references: Vec::new(),
            test_modules: Vec::new(),
            public_modules: Vec::new(),
        }
    }

    fn run(&mut self) {
        while let Some(token) = self.tokens.get(self.at) {
            match token.text.as_str() {
                _ if token.kind == Kind::Text => self.at += 1,
                "{" => self.open(),
                "}" => self.close(),
                ";" => self.end_of_item(),
                "#" => self.attribute(),
                "mod" => self.module(),
                "use" => self.use_item(token.line),
                _ if token.kind == Kind::Name => self.path(),
                _ => self.at += 1,
            }
        }
    }

    fn is(&self, ahead: usize, text: &str) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| token.is(text))
    }

    fn open(&mut self) {
        self.depth += 1;
        self.attribute = false;
        self.at += 1;
    }

    fn close(&mut self) {
        if self.inline.last().is_some_and(|(depth, _)| *depth == self.depth) {
            self.inline.pop();
            self.module.pop();
        }
        self.depth = self.depth.saturating_sub(1);
        self.at += 1;
    }

    fn end_of_item(&mut self) {
        self.attribute = false;
        self.at += 1;
    }

    fn attribute(&mut self) {
        let expect = ["#", "[", "cfg", "(", "test", ")", "]"];
        if expect.iter().enumerate().all(|(ahead, text)| self.is(ahead, text)) {
            self.attribute = true;
            self.at += expect.len();
        } else {
            self.at += 1;
        }
    }

    fn module(&mut self) {
        let Some(name) = self.tokens.get(self.at + 1).filter(|token| token.kind == Kind::Name) else {
            self.at += 1;
            return;
        };
        let test = std::mem::take(&mut self.attribute);
        let inner = [self.module.clone(), vec![name.text.clone()]].concat();
        if self.at > 0 && self.tokens[self.at - 1].is("pub") {
            self.public_modules.push(name.text.clone());
        }
        if self.is(2, "{") {
            self.module = inner;
            self.depth += 1;
            self.inline.push((self.depth, test));
        } else if test {
            self.test_modules.push(inner);
        }
        self.at += 3;
    }

    /// The attribute stays until the semicolon, so that it counts for the whole tree.
    fn use_item(&mut self, line: usize) {
        self.at += 1;
        if self.is(0, "::") {
            self.at += 1;
        }
        self.use_tree(&[], line);
    }

    /// `a::{b, c::d as e, self, *}` as one reference per leaf.
    fn use_tree(&mut self, prefix: &[String], line: usize) {
        let mut path = prefix.to_vec();
        loop {
            if self.is(0, "{") {
                self.at += 1;
                while self.at < self.tokens.len() && !self.is(0, "}") {
                    self.use_tree(&path, line);
                    if self.is(0, ",") {
                        self.at += 1;
                    }
                }
                self.at += 1;
                return;
            }
            let Some(token) = self.tokens.get(self.at) else { return };
            if !token.is("self") || path.is_empty() {
                path.push(token.text.clone());
            }
            self.at += 1;
            if !self.is(0, "::") {
                break;
            }
            self.at += 1;
        }
        if self.is(0, "as") {
            self.at += 2;
        }
        self.note(path, line);
    }

    /// A path in the code, `crate::a::b` or `other::c`; a single name is none.
    fn path(&mut self) {
        let line = self.tokens[self.at].line;
        let mut path = vec![self.tokens[self.at].text.clone()];
        self.at += 1;
        while self.is(0, "::") && self.tokens.get(self.at + 1).is_some_and(|token| token.kind == Kind::Name) {
            path.push(self.tokens[self.at + 1].text.clone());
            self.at += 2;
        }
        if path.len() > 1 {
            self.note(path, line);
        }
    }

    fn note(&mut self, path: Vec<String>, line: usize) {
        let in_test = self.is_test || self.attribute || self.inline.iter().any(|(_, test)| *test);
        let target = self.resolve(path);
        self.references.push(Reference { line, in_test, target });
    }

    fn resolve(&self, path: Vec<String>) -> Target {
        let first = path.first().map_or("", String::as_str);
        if first == "crate" || first == env!("CARGO_PKG_NAME") {
            return Target::Inside(path[1..].to_vec());
        }
        if first != "super" && first != "self" {
            return Target::Outside(path);
        }
        let supers = path.iter().filter(|part| *part == "super").count();
        let kept = self.module.len().saturating_sub(supers);
        let rest = path.into_iter().skip_while(|part| part == "super" || part == "self");
        Target::Inside(self.module[..kept].iter().cloned().chain(rest).collect())
    }
}
