//! Field lines into lists, directives and members of dictionaries: characters one after the other, by the grammar.

/// Field lines as they came, names in lower case. Each character of a value is one byte.
pub type Fields = Vec<(String, String)>;

/// The values of all lines of this name.
pub fn values<'a>(fields: &'a Fields, name: &str) -> Vec<&'a str> {
    fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
}

/// RFC 9110 §5.3: the lines combined. None: there is no such field.
pub fn combined(fields: &Fields, name: &str) -> Option<String> {
    let values = values(fields, name);
    (!values.is_empty()).then(|| values.join(", "))
}

/// RFC 9110 §5.6.2.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_tchar)
}

fn is_tchar(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// What stands behind the name of a directive.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    None,
    Some(String),
    /// It breaks the grammar there.
    Broken,
}

/// RFC 9111 §5.2: `#cache-directive`, `token [ "=" ( token / quoted-string ) ]`, names in lower case.
pub fn directives(text: &str) -> Vec<(String, Argument)> {
    let letters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        while at < letters.len() && (is_space(letters[at]) || letters[at] == ',') {
            at += 1;
        }
        let begin = at;
        while at < letters.len() && is_tchar(letters[at]) {
            at += 1;
        }
        let name: String = letters[begin..at].iter().collect::<String>().to_ascii_lowercase();
        let mut argument = Argument::None;
        if at < letters.len() && letters[at] == '=' {
            at += 1;
            (argument, at) = argument_at(&letters, at);
        }
        while at < letters.len() && is_space(letters[at]) {
            at += 1;
        }
        if at < letters.len() && letters[at] != ',' {
            argument = Argument::Broken;
            while at < letters.len() && letters[at] != ',' {
                at += 1;
            }
        }
        if !name.is_empty() {
            found.push((name, argument));
        }
    }
    found
}

fn argument_at(letters: &[char], begin: usize) -> (Argument, usize) {
    let mut at = begin;
    if letters.get(at) == Some(&'"') {
        return match quoted(letters, at) {
            Some((text, end)) => (Argument::Some(text), end),
            None => (Argument::Broken, at),
        };
    }
    while at < letters.len() && is_tchar(letters[at]) {
        at += 1;
    }
    let text: String = letters[begin..at].iter().collect();
    (if text.is_empty() { Argument::Broken } else { Argument::Some(text) }, at)
}

/// RFC 9110 §5.6.4: the text between the quotes, and where it goes on behind them.
fn quoted(letters: &[char], begin: usize) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut at = begin + 1;
    loop {
        match *letters.get(at)? {
            '"' => return Some((text, at + 1)),
            '\\' => {
                text.push(*letters.get(at + 1)?);
                at += 2;
            }
            c => {
                text.push(c);
                at += 1;
            }
        }
    }
}

fn is_space(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// A list without its empty members (RFC 9110 §5.6.1).
pub fn list(text: &str) -> Vec<String> {
    text.split(',').map(|member| member.trim_matches(is_space).to_owned()).filter(|member| !member.is_empty()).collect()
}

/// RFC 9111 §1.2.2: digits, and nothing is longer than 2^31.
pub fn delta_seconds(text: &str) -> Option<i64> {
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let mut value: i64 = 0;
    for c in text.chars() {
        value = (value * 10 + i64::from(u32::from(c) - u32::from('0'))).min(1 << 31);
    }
    Some(value)
}

/// The value of a member of a dictionary (RFC 8941 §3.2), as far as directives have a use for it.
#[derive(Clone, Debug, PartialEq)]
pub enum Member {
    Boolean(bool),
    Integer(i64),
    Text(String),
    Other,
}

/// RFC 8941 §4.2.2. None: it cannot be parsed.
pub fn dictionary(text: &str) -> Option<Vec<(String, Member)>> {
    let letters: Vec<char> = text.chars().collect();
    let mut reading = Reading { letters, at: 0 };
    let mut found: Vec<(String, Member)> = Vec::new();
    reading.skip(|c| c == ' ');
    while reading.peek().is_some() {
        let key = reading.key()?;
        let member = if reading.takes('=') { reading.item_or_inner_list()? } else { Member::Boolean(true) };
        reading.parameters()?;
        found.retain(|(known, _)| *known != key);
        found.push((key, member));
        reading.skip(is_space);
        if reading.peek().is_none() {
            return Some(found);
        }
        if !reading.takes(',') {
            return None;
        }
        reading.skip(is_space);
        reading.peek()?;
    }
    Some(found)
}

struct Reading {
    letters: Vec<char>,
    at: usize,
}

impl Reading {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn takes(&mut self, c: char) -> bool {
        let there = self.peek() == Some(c);
        self.at += usize::from(there);
        there
    }

    fn skip(&mut self, which: impl Fn(char) -> bool) -> String {
        let begin = self.at;
        while self.peek().is_some_and(&which) {
            self.at += 1;
        }
        self.letters[begin..self.at].iter().collect()
    }

    fn key(&mut self) -> Option<String> {
        self.peek().filter(|c| c.is_ascii_lowercase() || *c == '*')?;
        Some(self.skip(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.*".contains(c)))
    }

    fn item_or_inner_list(&mut self) -> Option<Member> {
        if !self.takes('(') {
            return self.bare_item();
        }
        loop {
            self.skip(|c| c == ' ');
            if self.takes(')') {
                return Some(Member::Other);
            }
            self.bare_item()?;
            self.parameters()?;
            self.peek().filter(|c| *c == ' ' || *c == ')')?;
        }
    }

    fn parameters(&mut self) -> Option<()> {
        while self.takes(';') {
            self.skip(|c| c == ' ');
            self.key()?;
            if self.takes('=') {
                self.bare_item()?;
            }
        }
        Some(())
    }

    fn bare_item(&mut self) -> Option<Member> {
        match self.peek()? {
            '"' => self.string(),
            '?' => {
                self.at += 1;
                let said = self.peek().filter(|c| "01".contains(*c))?;
                self.at += 1;
                Some(Member::Boolean(said == '1'))
            }
            ':' => {
                self.at += 1;
                self.skip(|c| c.is_ascii_alphanumeric() || "+/=".contains(c));
                self.takes(':').then_some(Member::Other)
            }
            c if c.is_ascii_digit() || c == '-' => self.number(),
            c if c.is_ascii_alphabetic() || c == '*' => {
                self.skip(|c| is_tchar(c) || c == ':' || c == '/');
                Some(Member::Other)
            }
            _ => None,
        }
    }

    fn string(&mut self) -> Option<Member> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let c = self.peek()?;
            self.at += 1;
            match c {
                '"' => return Some(Member::Text(text)),
                '\\' => {
                    text.push(self.peek().filter(|c| *c == '"' || *c == '\\')?);
                    self.at += 1;
                }
                ' '..='~' => text.push(c),
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<Member> {
        let sign = if self.takes('-') { -1 } else { 1 };
        let digits = self.skip(|c| c.is_ascii_digit());
        if digits.is_empty() {
            return None;
        }
        if self.takes('.') {
            let after = self.skip(|c| c.is_ascii_digit());
            return (digits.len() <= 12 && (1..=3).contains(&after.len())).then_some(Member::Other);
        }
        (digits.len() <= 15).then(|| Member::Integer(sign * digits.parse::<i64>().unwrap_or_default()))
    }
}
