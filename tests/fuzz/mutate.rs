//! Mutations of valid files, repeatable from a seed. Knows no format beyond bytes, numbers in
//! text and lengths in binary headers.

use rand::seq::IndexedRandom;
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Words that text readers stumble over.
const WORDS: [&str; 34] = [
    "0",
    "-1",
    "1",
    "1.0",
    "0.5",
    "1e308",
    "-1e39",
    "1e-320",
    "65535",
    "65536",
    "2147483648",
    "4294967295",
    "9007199254740993",
    "18446744073709551615",
    "1e999",
    "-0",
    "NaN",
    "null",
    "true",
    "\"\"",
    "[]",
    "{}",
    "[[]]",
    "[0]",
    "{\"a\":0}",
    "\"\\u0000\"",
    "\"Tanh\"",
    "\"auto\"",
    "'x'",
    "1000000",
    "16777216",
    "inf",
    "nan",
    "\u{1b}[2J",
];

/// Numbers that binary readers stumble over.
const NUMBERS: [u64; 18] = [
    0,
    1,
    2,
    3,
    7,
    8,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// The longest input made.
const MOST: usize = 1 << 20;

/// Makes inputs out of seeds.
pub struct Mutator {
    seeds: Vec<Vec<u8>>,
    is_text: bool,
    random: ChaCha8Rng,
}

impl Mutator {
    /// The same inputs for the same arguments.
    pub fn new(seeds: Vec<Vec<u8>>, is_text: bool, seed: u64) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed);
        Self {
            seeds,
            is_text,
            random,
        }
    }

    /// The next input.
    pub fn next(&mut self) -> Vec<u8> {
        let mut input = self.seed();
        // Mostly one change: the reader then gets far.
        let changes = 1 + (self.random.random::<f64>().powi(3) * 8.0) as usize;
        for _ in 0..changes {
            self.change(&mut input);
        }
        input.truncate(MOST);
        input
    }

    fn seed(&mut self) -> Vec<u8> {
        let seed = self.seeds.choose(&mut self.random);
        seed.cloned().unwrap_or_default()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        match self
            .random
            .random_range(0..if self.is_text { 14 } else { 10 })
        {
            0 => self.flip(input),
            1 => self.overwrite_byte(input),
            2..=4 => self.overwrite_number(input),
            5 => {
                let at = self.at(input);
                input.truncate(at);
            }
            6 => {
                let (start, end) = self.range(input);
                input.drain(start..end);
            }
            7 => self.repeat(input),
            8 => self.splice(input),
            9 => {
                let at = self.at(input);
                let mut noise = vec![0; self.random.random_range(1..32)];
                self.random.fill_bytes(&mut noise);
                input.splice(at..at, noise);
            }
            _ => self.replace_token(input),
        }
    }

    fn at(&mut self, input: &[u8]) -> usize {
        // Headers stand in front: look there as often as everywhere else.
        let near = input.len().min(128);
        match self.random.random() {
            true => self.random.random_range(0..=near),
            false => self.random.random_range(0..=input.len()),
        }
    }

    fn range(&mut self, input: &[u8]) -> (usize, usize) {
        let start = self.at(input);
        let most = (input.len() - start).min(256);
        (start, start + self.random.random_range(0..=most))
    }

    fn flip(&mut self, input: &mut [u8]) {
        let at = self.at(input);
        if let Some(byte) = input.get_mut(at) {
            *byte ^= 1 << self.random.random_range(0..8);
        }
    }

    fn overwrite_byte(&mut self, input: &mut [u8]) {
        let at = self.at(input);
        if let Some(byte) = input.get_mut(at) {
            *byte = self.random.random();
        }
    }

    fn overwrite_number(&mut self, input: &mut [u8]) {
        let at = self.at(input);
        let width = *[1, 2, 4, 8].choose(&mut self.random).unwrap_or(&4);
        let number = *NUMBERS.choose(&mut self.random).unwrap_or(&0);
        let (little, big) = (number.to_le_bytes(), number.to_be_bytes());
        let bytes = match self.random.random() {
            true => &little[..width],
            false => &big[8 - width..],
        };
        for (to, from) in input.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    }

    fn repeat(&mut self, input: &mut Vec<u8>) {
        let (start, end) = self.range(input);
        let part = input[start..end].to_vec();
        let times = *[1, 2, 16, 1000, 20_000]
            .choose(&mut self.random)
            .unwrap_or(&1);
        let times = times.min(MOST / part.len().max(1));
        input.splice(end..end, part.repeat(times));
    }

    fn splice(&mut self, input: &mut Vec<u8>) {
        let other = self.seed();
        let (start, end) = self.range(input);
        let (from, to) = self.range(&other);
        input.splice(start..end, other[from..to].iter().copied());
    }

    /// Puts one of the words, or another token of the text, in place of a token.
    fn replace_token(&mut self, input: &mut Vec<u8>) {
        let tokens = tokens(input);
        let Some((start, end)) = tokens.choose(&mut self.random).copied() else {
            return;
        };
        let new = match self.random.random_range(0..4) {
            0 => {
                let (from, to) = tokens.choose(&mut self.random).copied().unwrap_or((0, 0));
                input[from..to].to_vec()
            }
            _ => WORDS
                .choose(&mut self.random)
                .map_or(vec![], |w| w.as_bytes().to_vec()),
        };
        input.splice(start..end, new);
    }
}

/// Where numbers, words and quoted texts stand.
fn tokens(text: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let inside = |c: &u8| c.is_ascii_alphanumeric() || b"._+-\"".contains(c);
        let len = text[at..].iter().take_while(|c| inside(c)).count();
        if len > 0 {
            found.push((at, at + len));
        }
        at += len + 1;
    }
    found
}
