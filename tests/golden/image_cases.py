"""Calls of `tf.image` on small images, for TensorFlow and for this package."""

import numpy as np

GENERATOR = np.random.default_rng(7)
F = GENERATOR.uniform(0, 1, (2, 5, 7, 3)).astype(np.float32)
G = GENERATOR.uniform(0, 1, (2, 5, 7, 3)).astype(np.float32)
U = GENERATOR.integers(0, 256, (6, 4, 3)).astype(np.uint8)
LARGE = GENERATOR.uniform(0, 1, (1, 16, 18, 2)).astype(np.float32)
OTHER = np.clip(LARGE + GENERATOR.normal(0, 0.1, LARGE.shape), 0, 1).astype(np.float32)
BOXES = np.array(
    [
        [0, 0, 1, 1],
        [0.1, 0.2, 0.7, 0.9],
        [0, 0, 0.9, 0.95],
        [0.5, 0.5, 1.2, 1.1],
        [0.8, 0.1, 0.2, 0.6],
    ],
    np.float32,
)
SCORES = np.array([0.5, 0.9, 0.75, 0.3, 0.6], np.float32)
SIZES = ((10, 14), (3, 4), (5, 3), (1, 1), (8, 5))
METHODS = (
    "bilinear",
    "nearest",
    "bicubic",
    "area",
    "lanczos3",
    "lanczos5",
    "gaussian",
    "mitchellcubic",
)


def cases(tf):
    """Returns name -> function without arguments."""
    im, v1 = tf.image, tf.compat.v1.image
    found = {}

    def add(name, function):
        assert name not in found
        found[name] = function

    for size in SIZES:
        for method in METHODS:
            for antialias in (False, True):
                add(
                    f"resize {size} {method} {antialias}",
                    lambda s=size, m=method, a=antialias: im.resize(
                        F, s, method=m, antialias=a
                    ),
                )
        for align in (False, True):
            for half in (False, True):
                if align and half:
                    continue
                for kind in ("bilinear", "bicubic", "nearest_neighbor"):
                    add(
                        f"resize_{kind} {size} {align} {half}",
                        lambda s=size, k=kind, a=align, h=half: getattr(
                            v1, f"resize_{k}"
                        )(F, s, align_corners=a, half_pixel_centers=h),
                    )
            add(
                f"resize_area {size} {align}",
                lambda s=size, a=align: v1.resize_area(F, s, align_corners=a),
            )
    for method in range(4):
        add(
            f"resize_images {method}",
            lambda m=method: v1.resize_images(U, (9, 3), method=m),
        )
    add("resize of integers", lambda: im.resize(U, (3, 3)))
    add("resize of integers, nearest", lambda: im.resize(U, (3, 3), "nearest"))
    add("resize to the same size", lambda: im.resize(U, (6, 4)))
    add(
        "resize that keeps the form",
        lambda: im.resize(F, (9, 9), preserve_aspect_ratio=True),
    )
    add("resize_with_pad", lambda: im.resize_with_pad(F, 9, 10))
    add("resize_with_pad of one image", lambda: im.resize_with_pad(U, 5, 9, "nearest"))
    add("resize_image_with_pad", lambda: v1.resize_image_with_pad(F, 12, 9))

    for height, width in ((3, 9), (8, 2), (5, 7), (4, 4)):
        add(
            f"resize_with_crop_or_pad {height} {width}",
            lambda h=height, w=width: im.resize_with_crop_or_pad(F, h, w),
        )
    for fraction in (0.5, 0.3, 1.0, 0.87):
        add(f"central_crop {fraction}", lambda f=fraction: im.central_crop(F, f))
    add("crop_to_bounding_box", lambda: im.crop_to_bounding_box(U, 1, 2, 3, 2))
    add("pad_to_bounding_box", lambda: im.pad_to_bounding_box(U, 1, 2, 9, 8))
    for name in ("flip_left_right", "flip_up_down", "transpose"):
        add(name, lambda n=name: getattr(im, n)(F))
        add(f"{name} of one", lambda n=name: getattr(im, n)(U))
    for k in range(-1, 5):
        add(f"rot90 {k}", lambda k=k: im.rot90(F, k))
    for method in ("bilinear", "nearest"):
        for size in ((4, 3), (1, 1), (9, 9)):
            add(
                f"crop_and_resize {method} {size}",
                lambda m=method, s=size: im.crop_and_resize(
                    F, BOXES, [0, 1, 1, 0, 1], s, method=m, extrapolation_value=0.25
                ),
            )
    for centered in (False, True):
        for normalized in (False, True):
            add(
                f"extract_glimpse {centered} {normalized}",
                lambda c=centered, n=normalized: im.extract_glimpse(
                    F,
                    (3, 4),
                    [[0.3, -0.4], [1.5, 0.5]] if n else [[1.0, 2.0], [4.0, -1.0]],
                    centered=c,
                    normalized=n,
                    noise="zero",
                ),
            )

    for name, *rest in (
        ("adjust_brightness", 0.2),
        ("adjust_contrast", 1.7),
        ("adjust_gamma", 0.6, 1.1),
        ("adjust_hue", 0.3),
        ("adjust_hue", -0.45),
        ("adjust_saturation", 1.8),
        ("adjust_saturation", 0.2),
    ):
        add(f"{name} {rest}", lambda n=name, r=rest: getattr(im, n)(F, *r))
        add(f"{name} {rest} of integers", lambda n=name, r=rest: getattr(im, n)(U, *r))
    for name in ("rgb_to_hsv", "hsv_to_rgb", "rgb_to_yiq", "yiq_to_rgb", "rgb_to_yuv"):
        add(name, lambda n=name: getattr(im, n)(F))
    add("yuv_to_rgb", lambda: im.yuv_to_rgb(F))
    add(
        "rgb_to_hsv of gray", lambda: im.rgb_to_hsv(np.full((1, 2, 3), 0.5, np.float32))
    )
    add("rgb_to_hsv of black", lambda: im.rgb_to_hsv(np.zeros((1, 2, 3), np.float32)))
    add("rgb_to_grayscale", lambda: im.rgb_to_grayscale(F))
    add("rgb_to_grayscale of integers", lambda: im.rgb_to_grayscale(U))
    add("grayscale_to_rgb", lambda: im.grayscale_to_rgb(tf.constant(F[..., :1])))
    for old in ("uint8", "int16", "int32", "float32", "float64"):
        values = np.array([0, 1, 100, 127], old)
        if old.startswith("f"):
            values = np.array([0, 0.2, 0.7, 1.0, 1.3, -0.1], old)
        for new in ("uint8", "int16", "int32", "float32", "float64"):
            for saturate in (False, True):
                if old.startswith("f") and not saturate:
                    values = np.clip(values, 0, 0.99).astype(old)
                add(
                    f"convert_image_dtype {old} {new} {saturate}",
                    lambda v=values, n=new, s=saturate: im.convert_image_dtype(v, n, s),
                )
    add("per_image_standardization", lambda: im.per_image_standardization(F))
    add(
        "per_image_standardization of integers", lambda: im.per_image_standardization(U)
    )
    add(
        "per_image_standardization of one color",
        lambda: im.per_image_standardization(U * 0),
    )
    add("total_variation", lambda: im.total_variation(tf.constant(F)))
    add("total_variation of one", lambda: im.total_variation(tf.constant(F[0])))
    add("image_gradients", lambda: im.image_gradients(tf.constant(F)))
    add("sobel_edges", lambda: im.sobel_edges(tf.constant(F)))
    add("psnr", lambda: im.psnr(F, G, 1.0))
    add("psnr of integers", lambda: im.psnr(U, U[::-1], 255))
    add("ssim", lambda: im.ssim(LARGE, OTHER, 1.0))
    add("ssim of a small filter", lambda: im.ssim(F, G, 1.0, filter_size=4, k1=0.02))
    add("ssim map", lambda: im.ssim(LARGE, OTHER, 1.0, return_index_map=True))
    add(
        "ssim_multiscale",
        lambda: im.ssim_multiscale(
            LARGE, OTHER, 1.0, power_factors=(0.3, 0.5), filter_size=5
        ),
    )
    for over in (0.3, 0.5, 0.9):
        add(
            f"non_max_suppression {over}",
            lambda o=over: im.non_max_suppression(BOXES, SCORES, 3, o),
        )
        add(
            f"non_max_suppression_with_scores {over}",
            lambda o=over: im.non_max_suppression_with_scores(
                BOXES, SCORES, 5, o, 0.2, 0.5
            ),
        )
    add(
        "non_max_suppression_padded",
        lambda: im.non_max_suppression_padded(
            BOXES, SCORES, 4, pad_to_max_output_size=True
        ),
    )
    many = np.random.default_rng(8).uniform(0, 1, (2, 5, 3)).astype(np.float32)
    for each, total, padded, clipped in (
        (2, 4, False, True),
        (1, 9, True, False),
        (5, 9, False, True),
    ):
        add(
            f"combined_non_max_suppression {each} {total}",
            lambda e=each, t=total, p=padded, c=clipped: (
                im.combined_non_max_suppression(
                    np.stack([BOXES, BOXES[::-1]])[:, :, None],
                    many,
                    e,
                    t,
                    score_threshold=0.2,
                    pad_per_class=p,
                    clip_boxes=c,
                )
            ),
        )
    add(
        "non_max_suppression_overlaps",
        lambda: im.non_max_suppression_overlaps(
            np.eye(5, dtype=np.float32) * 0.5 + 0.4, SCORES, 4, 0.6
        ),
    )
    add(
        "draw_bounding_boxes",
        lambda: im.draw_bounding_boxes(F, np.stack([BOXES[:3]] * 2), None),
    )
    add(
        "draw_bounding_boxes in colors",
        lambda: im.draw_bounding_boxes(
            F, np.stack([BOXES[:3]] * 2), np.array([[1, 0, 0], [0, 1, 0]], np.float32)
        ),
    )
    add(
        "extract_patches",
        lambda: im.extract_patches(F, [1, 2, 2, 1], [1, 2, 2, 1], [1] * 4, "SAME"),
    )
    return found


def files(tf):
    """Files of images that TensorFlow writes, as bytes: name -> function."""
    gray = U[..., :1]
    return {
        "png": lambda: tf.io.encode_png(U),
        "gray.png": lambda: tf.io.encode_png(gray),
        "alpha.png": lambda: tf.io.encode_png(np.concatenate([U, gray], -1)),
        "16.png": lambda: tf.io.encode_png(gray.astype(np.uint16) * 300),
        "jpg": lambda: tf.io.encode_jpeg(U, quality=90),
        "gray.jpg": lambda: tf.io.encode_jpeg(gray),
    }


def reads(tf, data):
    """What reading these files gives: name -> function."""
    found = {}
    for name, contents in data.items():
        kind = "decode_png" if name.endswith("png") else "decode_jpeg"
        for channels in (0, 1, 3):
            if (channels == 1 and "gray" not in name and "16" not in name) or (
                channels and "alpha" in name
            ):
                continue
            found[f"{kind} {name} {channels}"] = lambda k=kind, c=contents, n=channels: (
                getattr(tf.io, k)(c, channels=n)
            )
        found[f"decode_image {name}"] = lambda c=contents: tf.io.decode_image(c)
        found[f"is_jpeg {name}"] = lambda c=contents: tf.io.is_jpeg(c)
    found["extract_jpeg_shape"] = lambda: tf.io.extract_jpeg_shape(data["jpg"])
    found["decode_and_crop_jpeg"] = lambda: tf.io.decode_and_crop_jpeg(
        data["jpg"], [1, 0, 4, 3]
    )
    return found
