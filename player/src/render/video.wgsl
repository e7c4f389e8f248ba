// Picture to pixels. `convert` makes R'G'B' of Y'CbCr planes at the picture's size; `resample` scales
// along one axis. Everything is read with textureLoad, so that results do not depend on a sampler.

struct Convert {
    // Rows R, G, B of the matrix; w holds the offset of Y, Cb, Cr.
    red: vec4f,
    green: vec4f,
    blue: vec4f,
    // Where the picture starts on the target.
    origin: vec2f,
    // Chroma samples per luma sample, per axis: 0.5 or 1.
    density: vec2f,
    // Chroma samples lie this much left of and above the middle of their luma samples.
    shift: vec2f,
    // From texture values to sample values of which 1.0 is the largest.
    scale: f32,
    // 2: Cb and Cr share a texture. 3: each has its own.
    planes: u32,
}

@group(0) @binding(0) var<uniform> convert_by: Convert;
@group(0) @binding(1) var plane_y: texture_2d<f32>;
@group(0) @binding(2) var plane_cb: texture_2d<f32>;
@group(0) @binding(3) var plane_cr: texture_2d<f32>;

struct Resample {
    origin: vec2f,
    // (1, 0) or (0, 1).
    axis: vec2i,
    // Input samples per output sample, and the kernel's widening: max(ratio, 1).
    ratio: f32,
    widen: f32,
    // Taps on each side.
    reach: i32,
    unused: i32,
}

@group(0) @binding(0) var<uniform> resample_by: Resample;
@group(0) @binding(1) var rgb: texture_2d<f32>;

@vertex
fn cover(@builtin(vertex_index) index: u32) -> @builtin(position) vec4f {
    // One triangle that covers the viewport.
    let corner = vec2f(f32((index << 1u) & 2u), f32(index & 2u));
    return vec4f(corner * 2.0 - 1.0, 0.0, 1.0);
}

fn chroma_at(place: vec2i, last: vec2i) -> vec2f {
    let inside = clamp(place, vec2i(0), last);
    let first = textureLoad(plane_cb, inside, 0);
    if convert_by.planes == 2u {
        return first.rg;
    }
    return vec2f(first.r, textureLoad(plane_cr, inside, 0).r);
}

@fragment
fn convert(@builtin(position) position: vec4f) -> @location(0) vec4f {
    let pixel = floor(position.xy - convert_by.origin);
    let luma = textureLoad(plane_y, vec2i(pixel), 0).r;

    // Position among the chroma samples: whole numbers are samples.
    let place = (pixel + 0.5) * convert_by.density - 0.5 + convert_by.shift;
    let base = floor(place);
    let part = place - base;
    let corner = vec2i(base);
    let last = vec2i(textureDimensions(plane_cb)) - 1;
    var chroma = chroma_at(corner, last);
    if part.x > 0.0 {
        chroma = mix(chroma, chroma_at(corner + vec2i(1, 0), last), part.x);
    }
    if part.y > 0.0 {
        var below = chroma_at(corner + vec2i(0, 1), last);
        if part.x > 0.0 {
            below = mix(below, chroma_at(corner + vec2i(1, 1), last), part.x);
        }
        chroma = mix(chroma, below, part.y);
    }

    let offset = vec3f(convert_by.red.w, convert_by.green.w, convert_by.blue.w);
    let ycc = vec3f(luma, chroma) * convert_by.scale - offset;
    let color = vec3f(dot(convert_by.red.xyz, ycc), dot(convert_by.green.xyz, ycc), dot(convert_by.blue.xyz, ycc));
    return vec4f(clamp(color, vec3f(0.0), vec3f(1.0)), 1.0);
}

// Catmull-Rom: Keys' cubic convolution with a = -1/2.
fn kernel(distance: f32) -> f32 {
    let x = abs(distance);
    if x < 1.0 {
        return (1.5 * x - 2.5) * x * x + 1.0;
    }
    if x < 2.0 {
        return ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0;
    }
    return 0.0;
}

@fragment
fn resample(@builtin(position) position: vec4f) -> @location(0) vec4f {
    let pixel = vec2i(floor(position.xy - resample_by.origin));
    let axis = resample_by.axis;
    let along = f32(dot(pixel, axis));
    let across = pixel * (vec2i(1) - axis);
    let last = dot(vec2i(textureDimensions(rgb)), axis) - 1;
    let centre = (along + 0.5) * resample_by.ratio - 0.5;
    let middle = i32(floor(centre));
    var sum = vec3f(0.0);
    var weights = 0.0;
    for (var tap = 1 - resample_by.reach; tap <= resample_by.reach; tap++) {
        let sample = middle + tap;
        let weight = kernel((f32(sample) - centre) / resample_by.widen);
        sum += weight * textureLoad(rgb, across + axis * clamp(sample, 0, last), 0).rgb;
        weights += weight;
    }
    return vec4f(clamp(sum / weights, vec3f(0.0), vec3f(1.0)), 1.0);
}
