//! Where a picture lies on its target: centred, whole, undistorted, with bars around it.

/// A rectangle of whole pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width, at least 1 in a non-empty target.
    pub width: u32,
    /// Height, at least 1 in a non-empty target.
    pub height: u32,
}

/// The size in square pixels at which a picture of `width` × `height` with pixels of the shape `aspect`
/// (width ÷ height) loses nothing: one side is kept, the other stretched. A malformed aspect is square.
pub fn display_size(width: u32, height: u32, aspect: (u32, u32)) -> (u32, u32) {
    let (num, den) = match aspect {
        (0, _) | (_, 0) => (1, 1),
        // Beyond 10:1 a stream is broken rather than anamorphic.
        (num, den) if u64::from(num) > 10 * u64::from(den) || u64::from(den) > 10 * u64::from(num) => (1, 1),
        pair => pair,
    };
    let scale = |side: u32, num: u32, den: u32| {
        let scaled = (u64::from(side) * u64::from(num) + u64::from(den) / 2) / u64::from(den);
        u32::try_from(scaled.max(1)).unwrap_or(u32::MAX)
    };
    if num >= den { (scale(width, num, den), height) } else { (width, scale(height, den, num)) }
}

/// The largest centred rectangle of the picture's shape in a target. A target that equals the picture's
/// [`display_size`] is filled exactly, so that nothing is resampled. Empty when anything is.
pub fn letterbox(width: u32, height: u32, aspect: (u32, u32), target: (u32, u32)) -> Rect {
    let (tw, th) = target;
    if width == 0 || height == 0 || tw == 0 || th == 0 {
        return Rect::default();
    }
    let (pw, ph) = display_size(width, height, aspect);
    let (pw, ph, tw64, th64) = (u64::from(pw), u64::from(ph), u64::from(tw), u64::from(th));
    let fit = |side: u64, num: u64, den: u64, limit: u32| {
        u32::try_from((side * num + den / 2) / den).unwrap_or(limit).clamp(1, limit)
    };
    let (width, height) =
        if tw64 * ph <= th64 * pw { (tw, fit(ph, tw64, pw, th)) } else { (fit(pw, th64, ph, tw), th) };
    Rect { x: (tw - width) / 2, y: (th - height) / 2, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exact_bars_and_anamorphic() {
        assert_eq!(letterbox(640, 360, (1, 1), (640, 360)), Rect { x: 0, y: 0, width: 640, height: 360 });
        assert_eq!(letterbox(640, 360, (1, 1), (640, 480)), Rect { x: 0, y: 60, width: 640, height: 360 });
        assert_eq!(
            letterbox(640, 480, (1, 1), (1920, 1080)),
            Rect { x: 240, y: 0, width: 1440, height: 1080 }
        );
        assert_eq!(letterbox(720, 576, (16, 11), (1047, 576)), Rect { x: 0, y: 0, width: 1047, height: 576 });
        assert_eq!(display_size(1440, 1080, (4, 3)), (1920, 1080));
        assert_eq!(display_size(100, 100, (1, 2)), (100, 200));
        assert_eq!(letterbox(640, 360, (1, 1), (0, 0)), Rect::default());
    }

    proptest! {
        #[test]
        fn stays_inside(w in 1u32..10_000, h in 1u32..10_000, n in 0u32..300, d in 0u32..300,
                        tw in 1u32..10_000, th in 1u32..10_000) {
            let r = letterbox(w, h, (n, d), (tw, th));
            prop_assert!(r.width >= 1 && r.height >= 1);
            prop_assert!(r.x + r.width <= tw && r.y + r.height <= th);
            prop_assert!(r.width == tw || r.height == th);
        }
    }
}
