//! Bodies over more than one connection.

use super::*;

/// What a body in one piece, broken after half of it, becomes when the next answers are `rest`.
async fn broken(
    headers: &'static str,
    rest: impl Fn(usize) -> Vec<Step> + Send + Sync + 'static,
) -> (NetEvent, Vec<String>) {
    let origin = Origin::one(move |nth| match nth {
        0 => {
            let head = format!("200 OK\r\ncontent-length: 1000\r\n{headers}");
            vec![answer(&head, &media(1000)[..500]), Reset]
        }
        nth => rest(nth),
    })
    .await;
    let (end, _) = finish(&origin.client(), origin.request("a")).await;
    (end, origin.heads())
}

/// Bytes of [`media`]`(1000)` as a part of it.
fn rest(from: usize, to: usize) -> Step {
    let head =
        format!("206 Partial\r\ncontent-range: bytes {from}-999/1000\r\ncontent-length: {}", 1000 - from);
    answer(&head, &media(1000)[from..to])
}

const TAGGED: &str = "accept-ranges: bytes\r\netag: \"v1\"";

#[tokio::test]
async fn a_broken_body_goes_on_where_it_broke() {
    let (end, heads) = broken(TAGGED, |nth| match nth {
        1 => vec![rest(500, 700), Reset],
        _ => vec![rest(700, 1000)],
    })
    .await;
    let NetEvent::Done { body, transfer, .. } = end else { panic!("{end:?}") };
    assert_eq!((body, transfer.bytes), (media(1000).into(), 1000));
    assert!(heads[1].contains("range: bytes=500-\r\n") && heads[1].contains("if-range: \"v1\"\r\n"));
    assert!(heads[2].contains("range: bytes=700-\r\n"), "{}", heads[2]);
}

#[tokio::test]
async fn a_broken_range_goes_on_inside_of_it() {
    let origin = Origin::one(move |nth| {
        let (range, body) = match nth {
            0 => ("50-149/200", media(100)[..40].to_vec()),
            _ => ("90-149/200", media(100)[40..].to_vec()),
        };
        let length = 100 - 40 * nth;
        let head = format!(
            "206 Partial\r\netag: \"v1\"\r\ncontent-range: bytes {range}\r\ncontent-length: {length}"
        );
        vec![answer(&head, &body), Close]
    })
    .await;
    let ask = Request { range: Some((50, Some(149))), ..origin.request("a") };
    assert_eq!(done(&origin.client(), ask).await.0, media(100));
    assert!(origin.heads()[1].contains("range: bytes=90-149\r\n"));
}

#[tokio::test]
async fn a_body_does_not_go_on_where_that_could_go_wrong() {
    for headers in [
        "accept-ranges: bytes",
        "accept-ranges: bytes\r\netag: W/\"v1\"",
        "accept-ranges: none\r\netag: \"v1\"",
    ] {
        let (end, heads) = broken(headers, |_| vec![rest(500, 1000)]).await;
        assert!(matches!(&end, NetEvent::Failed { failure, .. } if failure.kind == FailureKind::Truncated));
        assert_eq!(heads.len(), 1, "{headers}");
    }
    let changed = |_| vec![ok(&media(1000))];
    let other = |_| vec![rest(600, 1000)];
    let gone = |_| vec![answer("404 No\r\ncontent-length: 0", b"")];
    let short = |_| {
        let head = "206 Partial\r\ncontent-range: bytes 500-599/1000\r\ncontent-length: 100";
        vec![answer(head, &media(1000)[500..600])]
    };
    let again = |_| vec![Reset];
    let drops = |nth: usize| vec![rest(400 + nth * 100, 500 + nth * 100), Reset];
    let scripts: [Script; 6] = [
        Box::new(changed),
        Box::new(other),
        Box::new(gone),
        Box::new(short),
        Box::new(again),
        Box::new(drops),
    ];
    for (place, script) in scripts.into_iter().enumerate() {
        let (end, heads) = broken(TAGGED, script).await;
        let truncated =
            matches!(&end, NetEvent::Failed { failure, .. } if failure.kind == FailureKind::Truncated);
        assert!(truncated, "{place}: {end:?}");
        assert!(heads.len() <= 3, "{place}: {heads:?}");
    }
}
