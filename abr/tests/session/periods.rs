//! Periods that lack pictures, sound or everything.

use crate::support::*;
use abr::presentation::ContentType;
use abr::protocol::Event;
use abr::time::MediaTime;

fn gap_spans(play: &Play, kind: ContentType) -> Vec<(MediaTime, MediaTime)> {
    let gaps = play.events().filter_map(|(_, event)| match event {
        Event::Gap { track, from, to } if *track == kind => Some((*from, *to)),
        _ => None,
    });
    gaps.collect()
}

#[test]
fn a_period_without_video_is_heard() {
    let presentation = title(vec![
        period(0, 20, vec![video(0, 20), audio(0, 20)]),
        period(20, 40, vec![audio(20, 40)]),
        period(60, 20, vec![video(60, 20), audio(60, 20)]),
    ]);
    let play = play(presentation, constant(6000));
    play.assert_ended();
    assert_eq!(gap_spans(&play, ContentType::Video), [(ms(20_000), ms(60_000))]);
    assert_eq!(gap_spans(&play, ContentType::Audio), []);
    assert_eq!(play.appends(ContentType::Audio).len(), 20);
    assert_eq!(play.appends(ContentType::Video).len(), 10);
    assert_eq!(play.summary.stalls, 0);
    assert!(play.now >= at(80_000), "{:?}", play.now);
}

#[test]
fn periods_with_nothing_to_play_are_leapt_over() {
    for empty in 0..3 {
        let both = |place: u64| {
            if place == empty { vec![] } else { vec![video(20 * place, 20), audio(20 * place, 20)] }
        };
        let presentation = title((0..3).map(|place| period(20 * place, 20, both(place))).collect());
        let play = play(presentation, constant(6000));
        play.assert_ended();
        let span = (ms(20_000 * empty as i64), ms(20_000 * empty as i64 + 20_000));
        assert_eq!(gap_spans(&play, ContentType::Video), [span]);
        assert_eq!(gap_spans(&play, ContentType::Audio), [span]);
        assert_eq!(play.appends(ContentType::Video).len(), 10, "{empty}");
        assert!(play.now >= at(40_000) && play.now < at(44_000), "{empty}: {:?}", play.now);
        assert_eq!(play.summary.stalls, 0, "{empty}");
    }
}
