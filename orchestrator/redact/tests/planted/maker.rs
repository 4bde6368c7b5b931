//! Makes secrets up from patterns, from a seed: no real one is written down, and nobody who scans
//! the repository finds any.

use base64::Engine as _;

/// SplitMix64 (Steele, Lea, Flood 2014).
pub struct Maker(pub u64);

const DIGITS: &str = "0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";

impl Maker {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn letters(&mut self, of: &str, count: usize) -> String {
        let of = of.as_bytes();
        (0..count)
            .map(|_| char::from(of[(self.next() % of.len() as u64) as usize]))
            .collect()
    }

    /// A secret by its pattern: `{a20}` is twenty letters of class `a`, the rest stands for itself.
    pub fn make(&mut self, pattern: &str) -> String {
        let mut made = String::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once('{') {
            let (part, after) = after.split_once('}').expect("a pattern's brace ends");
            made.push_str(before);
            made.push_str(&self.part(part));
            rest = after;
        }
        made + rest
    }

    fn part(&mut self, part: &str) -> String {
        let (class, count) = part.split_at(1);
        let count: usize = count.parse().expect("letters are counted");
        let all = [DIGITS, UPPER, LOWER].concat();
        match class {
            "a" => self.letters(&all, count),
            "d" => self.letters(DIGITS, count),
            "h" => self.letters("0123456789abcdef", count),
            "H" => self.letters("0123456789ABCDEF", count),
            "l" => self.letters(&[DIGITS, LOWER].concat(), count),
            "u" => self.letters(&[DIGITS, UPPER].concat(), count),
            "c" => self.letters(LOWER, count),
            "x" => self.letters(&[UPPER, "234567"].concat(), count),
            // Base58 leaves out what looks alike.
            "5" => self.letters(
                "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
                count,
            ),
            // Dashes and the like inside only: what stands at the end is a letter.
            "w" => self.inside(&[&all, "_-"].concat(), &all, count),
            "b" => self.inside(&[&all, "+/"].concat(), &all, count),
            // A password as people make them up, and one as programs do.
            "p" => {
                self.letters(LOWER, count - 3) + &self.letters(UPPER, 1) + &self.letters(DIGITS, 2)
            }
            "P" => self.inside(&[&all, "!#%*+.-_^~"].concat(), &all, count),
            "U" => {
                let of = "0123456789abcdef";
                [8, 4, 4, 4, 12]
                    .map(|count| self.letters(of, count))
                    .join("-")
            }
            // So many bytes in base64; so many lines of it.
            "B" => {
                let bytes: Vec<u8> = (0..count).map(|_| self.next() as u8).collect();
                base64::engine::general_purpose::STANDARD.encode(bytes)
            }
            "L" => (0..count).map(|_| self.letters(&all, 64) + "\n").collect(),
            other => panic!("no class `{other}`"),
        }
    }

    fn inside(&mut self, all: &str, ends: &str, count: usize) -> String {
        self.letters(ends, 1) + &self.letters(all, count.saturating_sub(2)) + &self.letters(ends, 1)
    }
}
