//! The text of a date into seconds since 1970, counted year by year and month by month; and back.

const MONTHS: [(&str, i64); 12] = [
    ("jan", 31),
    ("feb", 28),
    ("mar", 31),
    ("apr", 30),
    ("may", 31),
    ("jun", 30),
    ("jul", 31),
    ("aug", 31),
    ("sep", 30),
    ("oct", 31),
    ("nov", 30),
    ("dec", 31),
];
const SHORT: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
const LONG: [&str; 7] = ["thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"];

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: usize) -> i64 {
    MONTHS[month].1 + i64::from(month == 1 && is_leap(year))
}

fn number(text: &str, digits: usize) -> Option<i64> {
    (text.len() == digits && text.chars().all(|c| c.is_ascii_digit())).then(|| text.parse().ok())?
}

/// RFC 9110 §5.6.7 in all three forms; RFC 9111 §4.2: whatever the case of its letters, in no zone but GMT.
pub fn parse(text: &str, now: i64) -> Option<i64> {
    let text = text.trim_matches([' ', '\t']).to_ascii_lowercase();
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        // Sun, 06 Nov 1994 08:49:37 GMT
        [day_name, day, month, year, time, "gmt"] if SHORT.contains(&day_name.strip_suffix(',')?) => {
            seconds(number(year, 4)?, month, number(day, 2)?, time)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        [day_name, date, time, "gmt"] if LONG.contains(&day_name.strip_suffix(',')?) => {
            let [day, month, year] = date.split('-').collect::<Vec<_>>()[..] else { return None };
            two_digits(number(year, 2)?, month, number(day, 2)?, time, now)
        }
        // Sun Nov  6 08:49:37 1994, and with a day of two digits
        [day_name, month, "", day, time, year] if SHORT.contains(&day_name) => {
            seconds(number(year, 4)?, month, number(day, 1)?, time)
        }
        [day_name, month, day, time, year] if SHORT.contains(&day_name) => {
            seconds(number(year, 4)?, month, number(day, 2)?, time)
        }
        _ => None,
    }
}

/// More than fifty years ahead is the most recent year in the past with the same last two digits.
fn two_digits(year: i64, month: &str, day: i64, time: &str, now: i64) -> Option<i64> {
    let mut century = 2100;
    loop {
        let guess = seconds(century + year, month, day, time);
        let fifty_years_ahead = later_by_years(now, 50);
        match guess {
            Some(guess) if guess > fifty_years_ahead => century -= 100,
            // The 29th of February of a year that has none: no century makes it one within reach.
            None if century > 1900 => century -= 100,
            guess => return guess,
        }
    }
}

/// The same time of the same day; a leap day's is the last of February.
pub fn later_by_years(now: i64, years: i64) -> i64 {
    let (year, month, day, rest) = calendar(now);
    let day = if month == 1 && day == 29 && !is_leap(year + years) { 28 } else { day };
    midnight(year + years, month, day) + rest
}

fn seconds(year: i64, month: &str, day: i64, time: &str) -> Option<i64> {
    let month = MONTHS.iter().position(|(name, _)| *name == month)?;
    if day < 1 || day > days_of(year, month) {
        return None;
    }
    let [hour, minute, second] = time.split(':').collect::<Vec<_>>()[..] else { return None };
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    (hour < 24 && minute < 60 && second <= 60).then(|| midnight(year, month, day) + hour * 3600 + minute * 60 + second)
}

fn midnight(year: i64, month: usize, day: i64) -> i64 {
    let mut days = day - 1;
    for month in 0..month {
        days += days_of(year, month);
    }
    for year in 1970..year {
        days += if is_leap(year) { 366 } else { 365 };
    }
    for year in year..1970 {
        days -= if is_leap(year) { 366 } else { 365 };
    }
    days * 86_400
}

/// Year, month from 0, day from 1, seconds of the day.
fn calendar(time: i64) -> (i64, usize, i64, i64) {
    let (mut days, rest) = (time.div_euclid(86_400), time.rem_euclid(86_400));
    let (mut year, mut month) = (1970, 0);
    while days < 0 {
        year -= 1;
        days += if is_leap(year) { 366 } else { 365 };
    }
    while days >= (if is_leap(year) { 366 } else { 365 }) {
        days -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    while days >= days_of(year, month) {
        days -= days_of(year, month);
        month += 1;
    }
    (year, month, days + 1, rest)
}

fn capital(text: &str) -> String {
    text[..1].to_ascii_uppercase() + &text[1..]
}

/// One of the forms of a date: 0 is the one that is generated today, 1 and 2 are obsolete.
pub fn write(time: i64, form: u64) -> String {
    let (year, month, day, rest) = calendar(time);
    let week_day = usize::try_from(time.div_euclid(86_400).rem_euclid(7)).unwrap_or_default();
    let (short, long, month) = (capital(SHORT[week_day]), capital(LONG[week_day]), capital(MONTHS[month].0));
    let clock = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    match form {
        1 => format!("{long}, {day:02}-{month}-{:02} {clock} GMT", year % 100),
        2 => format!("{short} {month} {day:>2} {clock} {year}"),
        _ => format!("{short}, {day:02} {month} {year} {clock} GMT"),
    }
}
