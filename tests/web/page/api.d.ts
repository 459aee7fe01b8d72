// Made by tools/make_page_types.py from the API's document; remade by `make page-types`.

declare namespace Api {
  interface AcceptedItem {
    id: string;
    name: string;
    state: "queued" | "running" | "done" | "failed";
  }

  interface AcceptedJob {
    id: string;
    created: string;
    items: Array<AcceptedItem>;
  }

  interface Advice {
    action: "fna" | "follow-up" | "none" | null;
    words: string;
    thresholds: string;
  }

  interface Assessment {
    system: "acr" | "eu" | "k";
    system_name: string;
    level: string | null;
    level_words: string | null;
    lowest_level: string;
    highest_level: string;
    points: number | null;
    lowest_points: number | null;
    highest_points: number | null;
    points_by: Record<string, number | null>;
    missing: Array<string>;
    proposed: Array<string>;
    is_level_proposed?: boolean;
    longest_mm: number | null;
    advice: Advice;
    warnings: Array<string>;
    source: string;
    descriptors: Descriptors;
  }

  interface ClipFrame {
    frame_index: number;
    num_nodules: number;
    area_px: number | null;
    longest_mm: number | null;
    risk: number | null;
  }

  interface ClipSummary {
    num_frames: number;
    num_frames_with_nodule: number;
    largest_frame: number | null;
    risk: number | null;
    risk_spread: Spread | null;
    risk_reason: string | null;
    tracks: Array<Track>;
    frames: Array<ClipFrame>;
  }

  interface Correction {
    schema_version?: 2;
    item_id: string;
    frame_index: number;
    version: number;
    etag: string;
    who: string;
    when: string;
    saved_at: string;
    findings: Array<KeptFinding>;
    changes_network: boolean;
    next_number: number;
    system: "acr" | "eu" | "k";
    calipers_xy: Array<[[number, number], [number, number]]>;
    note: string;
    model: ModelIdentity;
    outlines_xy: Array<Array<[number, number]>>;
    descriptors: Array<Record<string, string | boolean | Array<string> | null> | null>;
    measures: Array<OutlineMeasure>;
  }

  interface CorrectionIn {
    findings?: Array<FindingIn> | null;
    outlines_xy?: Array<Array<[number, number]>> | null;
    descriptors?: Array<Record<string, string | boolean | Array<string> | null> | null>;
    system?: "acr" | "eu" | "k";
    calipers_xy?: Array<[[number, number], [number, number]]>;
    note?: string;
    who?: string;
    when?: string;
  }

  interface Descriptors {
    composition?: string | null;
    echogenicity?: string | null;
    shape?: string | null;
    margin?: string | null;
    foci?: Array<string> | null;
    sources?: Record<string, "reader" | "measured" | "network">;
    evidence?: Record<string, Evidence>;
  }

  interface EchogenicFocus {
    centre_xy: [number, number];
    diameter_px: number;
    diameter_mm: number | null;
  }

  interface ErrorAnswer {
    error: ErrorWithFaults;
  }

  interface ErrorDetail {
    code: string;
    message: string;
  }

  interface ErrorFault {
    fault: string;
    where?: string | null;
    [other: string]: unknown;
  }

  interface ErrorWithFaults {
    code: string;
    message: string;
    detail?: Array<ErrorFault> | null;
  }

  interface Evidence {
    measure: string;
    value: number;
    rule: string;
  }

  interface FindingIn {
    uid?: string | null;
    outline_xy: Array<[number, number]>;
    descriptors?: Record<string, string | boolean | Array<string> | null> | null;
    note?: string;
    drawn_with?: "hand" | "click" | "box";
  }

  interface Flag {
    code: "no_nodule" | "several_nodules" | "touches_border" | "several_panels" | "colour_overlay" | "text_in_field" | "small_field" | "small_image" | "low_contrast" | "low_probability" | "no_risk" | "no_outline" | "unlike_training" | "not_declared_ultrasound" | "not_b_mode";
    message: string;
  }

  interface Health {
    status: "ok" | "worker_stopped";
    version: string;
    model: ServedModel;
    queue: QueueState;
  }

  interface ImageIdentity {
    name: string | null;
    sha256: string;
    width_px: number;
    height_px: number;
    frame_index: number;
    num_frames: number;
    spacing: SpacingMm | null;
    spacing_reason: string | null;
  }

  interface Item {
    id: string;
    name: string;
    path?: string;
    state: "queued" | "running" | "done" | "failed";
    error: ErrorDetail | null;
    num_frames: number | null;
    frames_done: number;
    seconds: number | null;
  }

  interface Job {
    id: string;
    name?: string | null;
    created: string;
    state: "queued" | "running" | "done" | "failed";
    items: Array<Item>;
  }

  interface JobPage {
    jobs: Array<Job>;
    total: number;
    next_offset: number | null;
  }

  interface KeptFinding {
    uid: string;
    outline_xy: Array<[number, number]>;
    descriptors?: Record<string, string | boolean | Array<string> | null> | null;
    note?: string;
    drawn_with?: "hand" | "click" | "box";
    number: number;
    origin: "network" | "network_changed" | "person_with_network" | "person";
    nodule: Nodule;
    level: string | null;
    is_level_proposed: boolean;
  }

  interface KeptVerdict {
    who?: string;
    verdict: "unread" | "read" | "agreed" | "skipped";
    saved_at: string;
  }

  interface ListedItem {
    id: string;
    job_id: string;
    job_name: string | null;
    created: string;
    name: string;
    path: string;
    state: "queued" | "running" | "done" | "failed";
    error: ErrorDetail | null;
    num_frames: number | null;
    frames_done: number;
    seconds: number | null;
    reading: "unread" | "read" | "agreed" | "corrected" | "skipped";
    readers: Array<string>;
    risk: number | null;
    level: string | null;
    is_level_proposed: boolean;
    num_nodules: number | null;
    said_by: string | null;
    flags: Array<string>;
    model_id: string | null;
    teaches: number | null;
  }

  interface ListedModel {
    id: string;
    name: string | null;
    risk_meaning: string | null;
    created: string | null;
    is_chosen: boolean;
    is_available: boolean;
    num_items: number;
  }

  interface MeasuredSigns {
    taller_than_wide?: boolean | null;
    echogenicity_ratio?: number | null;
    cystic_share?: number | null;
    num_foci?: number | null;
  }

  interface ModelChoice {
    id: string;
  }

  interface ModelIdentity {
    name: string;
    id: string;
  }

  interface ModelList {
    models: Array<ListedModel>;
    unusable: Array<UnusableBundle>;
  }

  interface Nodule {
    number: number;
    uid?: string | null;
    panel_index: number;
    outline_xy: Array<[number, number]>;
    size: NoduleSize;
    mean_probability: number;
    risk: number | null;
    risk_interval: [number, number] | null;
    risk_interval_reason: string | null;
    risk_reason?: string | null;
    signs?: NoduleSigns | null;
  }

  interface NoduleSigns {
    perimeter_px: number | null;
    perimeter_mm: number | null;
    compactness: number | null;
    solidity: number | null;
    bending_energy: number | null;
    irregularity: number | null;
    shape_reason: string | null;
    echogenicity_ratio: number | null;
    echogenicity_difference: number | null;
    surrounding_gray: number | null;
    echogenicity_reason: string | null;
    cystic_share: number | null;
    num_foci: number | null;
    foci: Array<EchogenicFocus>;
    inside_reason: string | null;
  }

  interface NoduleSize {
    area_px: number;
    area_mm2: number | null;
    longest_px: number;
    longest_mm: number | null;
    longest_ends_xy: [[number, number], [number, number]];
    perpendicular_px: number;
    perpendicular_mm: number | null;
    perpendicular_ends_xy: [[number, number], [number, number]];
    anteroposterior_px: number;
    anteroposterior_mm: number | null;
    transverse_px: number;
    transverse_mm: number | null;
    mm_reason: string | null;
    taller_than_wide: boolean;
  }

  interface OperatingPointResult {
    name: string;
    threshold: number;
    is_above: boolean;
    meaning: string;
  }

  interface OutlineMeasure {
    size: NoduleSize;
    mean_probability: number | null;
    risk: number | null;
    risk_interval: [number, number] | null;
    risk_interval_reason: string | null;
    risk_reason?: string | null;
    signs?: Record<string, unknown> | null;
  }

  interface OutlineThere {
    outline_xy: Array<[number, number]>;
    threshold: number;
    views: Array<PixelBox>;
    measure: OutlineMeasure;
  }

  interface OutlinesIn {
    outlines_xy: Array<Array<[number, number]>>;
    others_xy?: Array<Array<[number, number]>> | null;
  }

  interface PairedFindings {
    uid_a: string;
    uid_b: string;
    number_a: number;
    number_b: number;
    dice: number;
    longest_difference_px: number;
    longest_difference_mm: number | null;
    level_a: string | null;
    level_b: string | null;
  }

  interface PixelBox {
    x0: number;
    y0: number;
    x1: number;
    y1: number;
  }

  interface PointedAtIn {
    point_xy?: [number, number] | null;
    inside_xy?: Array<[number, number]>;
    outside_xy?: Array<[number, number]>;
    box?: PixelBox | null;
    threshold?: number | null;
    others_xy?: Array<Array<[number, number]>> | null;
  }

  interface PredictAgainIn {
    items?: Array<string> | null;
    job?: string | null;
    model?: string | null;
  }

  interface Prediction {
    schema_version?: 1;
    image: ImageIdentity;
    field_of_view: PixelBox;
    panels: Array<PixelBox>;
    nodules: Array<Nodule>;
    risk: number | null;
    risk_meaning: string;
    risk_reason: string | null;
    operating_points: Array<OperatingPointResult>;
    flags: Array<Flag>;
    model: ModelIdentity;
    with_tta: boolean;
    software_version: string;
    seconds: number;
    risk_share?: RiskShare | null;
  }

  interface QueueState {
    queued: number;
    running: number;
    capacity: number;
  }

  interface QueuedAgain {
    model: ModelChoice;
    num_queued: number;
    num_same: number;
    num_left: number;
  }

  interface ReaderAgreement {
    who_a: string;
    who_b: string;
    dice: number;
    pairs: Array<PairedFindings>;
    only_a: Array<string>;
    only_b: Array<string>;
  }

  interface ReadingVersion {
    version: number;
    who: string;
    saved_at: string;
    action: "saved" | "removed";
    num_findings: number | null;
    etag: string;
  }

  interface Readings {
    readings: Array<Correction>;
    agreement: Array<ReaderAgreement>;
  }

  interface RiskShare {
    assumed: number;
    calibrated_at: number;
    risk_when_calibrated: number | null;
    likelihood_ratio: number | null;
    sentence: string;
  }

  interface ServedModel {
    name: string;
    id: string;
    risk_meaning: string;
    operating_points: Array<ServedOperatingPoint>;
    mask_threshold: number;
    has_malignancy_map: boolean;
  }

  interface ServedOperatingPoint {
    name: string;
    threshold: number;
    meaning: string;
  }

  interface SpacingIn {
    row_mm: number;
    column_mm: number;
    who?: string;
  }

  interface SpacingMm {
    row_mm: number;
    column_mm: number;
  }

  interface Spread {
    minimum: number;
    median: number;
    maximum: number;
    sd: number | null;
    num_frames: number;
  }

  interface StudyReadingIn {
    reader: string;
    network_shown: boolean;
    outlines_xy?: Array<Array<[number, number]>> | null;
    suspicion?: number | null;
    tirads_points?: number | null;
    seconds?: number | null;
  }

  interface TiradsIn {
    system?: "acr" | "eu" | "k";
    longest_mm?: number | null;
    composition?: string | null;
    echogenicity?: string | null;
    shape?: string | null;
    margin?: string | null;
    foci?: Array<string> | null;
    signs?: MeasuredSigns | null;
  }

  interface Track {
    number: number;
    uid?: string | null;
    panel_index: number;
    frames: Array<number>;
    nodule_numbers: Array<number>;
    is_steady: boolean;
    largest_frame: number;
    largest_size: NoduleSize;
    risk: number | null;
    risk_spread: Spread | null;
    stability: number | null;
    coverage: number;
  }

  interface UnusableBundle {
    name: string;
    fault: string;
  }

  interface VerdictIn {
    who?: string;
    verdict: "unread" | "read" | "agreed" | "skipped";
  }

  interface WorkListPage {
    items: Array<ListedItem>;
    total: number;
    next_cursor: string | null;
  }
}
