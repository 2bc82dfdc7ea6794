use super::{ParseError, Quantity, canonical};

#[test]
fn the_canonical_form_is_that_of_kubernetes() {
    for (input, expected) in [
        ("0", "0"),
        ("0m", "0"),
        ("1000m", "1"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("1.5", "1500m"),
        ("100m", "100m"),
        ("1024", "1024"),
        ("1000", "1k"),
        ("1500", "1500"),
        ("1000000", "1M"),
        ("1Ki", "1Ki"),
        ("1024Ki", "1Mi"),
        ("1024Mi", "1Gi"),
        ("1536Mi", "1536Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Mi", "512Ki"),
        ("0.5Ki", "512"),
        ("0.1Ki", "102400m"),
        ("1e3", "1e3"),
        ("12e6", "12e6"),
        ("1E3", "1E3"),
        ("1E", "1E"),
        ("1.2345678901", "1234567891n"),
        ("-1", "-1"),
        ("-500m", "-500m"),
        ("+3", "+3"),
        ("k", "0"),
        ("0100m", "0100m"),
        (" 1 ", "1"),
        ("1u", "1u"),
        ("1000u", "1m"),
        ("100Mi", "100Mi"),
        ("128974848", "128974848"),
        ("129e6", "129e6"),
        ("129M", "129M"),
        ("123Mi", "123Mi"),
        ("9223372036854775807", "9223372036854775807"),
    ] {
        assert_eq!(canonical(input).as_deref(), Some(expected), "{input}");
    }
}

#[test]
fn what_is_no_quantity_is_refused() {
    for (input, error) in [
        ("", ParseError::Format),
        ("x", ParseError::Format),
        ("1.2.3", ParseError::Format),
        ("1 Gi", ParseError::Format),
        ("1mM", ParseError::Suffix),
        ("1kk", ParseError::Suffix),
        ("1MiB", ParseError::Format),
    ] {
        assert_eq!(input.parse::<Quantity>().unwrap_err(), error, "{input}");
    }
}

#[test]
fn amounts_are_compared_and_added() {
    let half: Quantity = "500m".parse().unwrap();
    let one: Quantity = "1".parse().unwrap();
    assert!(half < one);
    assert_eq!((half + half).to_string(), "1");
    assert_eq!((one - half).millis(), 500);
    assert_eq!("1Gi".parse::<Quantity>().unwrap().units(), 1 << 30);
    assert_eq!("1m".parse::<Quantity>().unwrap().units(), 1);
    assert_eq!(Quantity::from_bytes(2048).to_string(), "2Ki");
}

#[test]
fn amounts_beyond_all_measure_stay_the_largest() {
    // The first was found by the fuzzer: rounded up, it was less than nothing.
    for text in ["580e39", "9e60", "-580e39", "-9e60"] {
        let amount: Quantity = text.parse().unwrap();
        for rounded in [amount.rounded_up_to_millis(), amount.rounded_up()] {
            assert_eq!(rounded.is_negative(), text.starts_with('-'), "{text}");
            assert!(rounded.to_string().len() > 20, "{text}: {rounded}");
        }
    }
    let least: Quantity = "-9e60".parse().unwrap();
    let least = least - "9e60".parse::<Quantity>().unwrap();
    assert!(least.to_string().starts_with('-'));
}
