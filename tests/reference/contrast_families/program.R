## Contrast families and adjustments: emmeans 1.8.4 on lm and lmer fits; mvtnorm for the multivariate t.
## Reads data.csv (simulated with `set.seed(31)`; the lines that made it stand in make_data()), writes reference.json.
suppressMessages({ library(lme4); library(lmerTest); library(pbkrtest); library(emmeans); library(mvtnorm); library(jsonlite) })
emm_options(opt.digits = FALSE)
make_data <- function() {
  set.seed(31)
  d <- expand.grid(visit = paste("Week", c(4, 12, 24)), arm = c("control", "laser", "prp", "laser_prp"),
                   patient = sprintf("P%02d", 1:14))
  b <- rnorm(14, 20, 6); u <- rnorm(14, 0, 5)
  d$baseline <- round(b[as.integer(d$patient)] + rnorm(nrow(d), 0, 2), 2)
  d$sex <- ifelse(as.integer(d$patient) %% 3 == 0, "M", "F")
  d$value <- round(10 + u[as.integer(d$patient)] + c(0, 6, 4, 11)[as.integer(d$arm)] + 0.4 * d$baseline +
                   as.integer(d$visit) * c(1, 3, 2, 4)[as.integer(d$arm)] + rnorm(nrow(d), 0, 6), 3)
  d <- d[sample(nrow(d), nrow(d) - 17), ]
  d <- d[order(d$patient, d$arm, d$visit), c("patient", "arm", "visit", "sex", "baseline", "value")]
  write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
}
if (!file.exists("data.csv")) make_data()
d <- read.csv("data.csv", stringsAsFactors = FALSE)
d$arm <- factor(d$arm, c("control", "laser", "prp", "laser_prp"))
d$visit <- factor(d$visit, paste("Week", c(4, 12, 24)))
d$sex <- factor(d$sex)
f_lm <- lm(value ~ baseline + sex + arm * visit, d)
f_lmer <- lmer(value ~ baseline + sex + arm * visit + (1 | patient), d,
               control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10)))
rows <- function(x) { x <- as.data.frame(x); x[] <- lapply(x, function(c) if (is.factor(c)) as.character(c) else unname(c)); x }
tab <- function(x, ...) rows(summary(x, infer = c(TRUE, TRUE), ...))

families <- function(f, ...) {
  em <- function(specs, ...) suppressMessages(emmeans(f, specs, ..., lmer.df = ddf))
  by_visit <- em(~ arm | visit); by_arm <- em(~ visit | arm); both <- em(~ arm * visit)
  pw <- contrast(by_visit, "pairwise")
  dn <- contrast(by_visit, "trt.vs.ctrl", ref = "laser")
  list(
    pairwise = lapply(setNames(nm = c("none", "tukey", "sidak", "bonferroni", "holm", "hochberg", "scheffe")), function(a) tab(pw, adjust = a)),
    pairwise_across_visits = lapply(setNames(nm = c("bonferroni", "sidak", "holm")), function(a) tab(pw, by = NULL, adjust = a)),
    pairwise_reversed = tab(contrast(by_visit, "revpairwise"), adjust = "none"),
    control_laser = tab(dn, adjust = "none"),
    control_laser_greater = tab(dn, adjust = "sidak", side = ">", null = -2),
    control_laser_less = tab(dn, adjust = "bonferroni", side = "<"),
    consec = tab(contrast(by_arm, "consec"), adjust = "none"),
    poly = tab(contrast(by_arm, "poly"), adjust = "none"),
    eff = tab(contrast(by_visit, "eff"), adjust = "none"),
    del_eff = tab(contrast(by_visit, "del.eff"), adjust = "none"),
    interaction = tab(contrast(both, interaction = c("pairwise", "consec")), adjust = "none"),
    two_factors = tab(contrast(both, list("gain" = c(0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0, 1))), adjust = "none"),
    averaged_visits = tab(em(~ arm, at = list(visit = c("Week 12", "Week 24")))),
    averaged_visits_proportional = tab(em(~ arm, at = list(visit = c("Week 12", "Week 24")), weights = "proportional")),
    averaged_given = tab(em(~ arm, at = list(sex = "F"), weights = c(0, 1/4, 3/4))),
    grid_of_baseline = tab(em(~ arm | baseline, at = list(baseline = c(10, 20, 30)))),
    overall = tab(em(~ 1)))
}
ddf <- "satterthwaite"
ref <- list(
  about = "Within-patient trial, 14 patients x 4 arms x 3 visits with 17 rows missing; value ~ baseline + sex + arm * visit (+ (1 | patient)).",
  versions = lapply(setNames(nm = c("emmeans", "lme4", "lmerTest", "pbkrtest", "mvtnorm")), function(p) as.character(packageVersion(p))))
ref$lm <- families(f_lm)
ref$lmer_satterthwaite <- families(f_lmer)
ddf <- "kenward-roger"
ref$lmer_kenward_roger <- families(f_lmer)

## joint tests: emmeans rounds F to 3 digits and df to 2, so F is also given by pbkrtest and lmerTest
jt <- function(x) rows(x)
ref$joint <- list(
  lm_all = jt(joint_tests(f_lm)), lm_by_visit = jt(joint_tests(f_lm, by = "visit")),
  lm_arm_equal_by_visit = jt(test(contrast(emmeans(f_lm, ~ arm | visit), "pairwise"), joint = TRUE)))
L_of <- function(f, v) { e <- emmeans(f, ~ arm | visit, lmer.df = "asymptotic"); contrast(e, "consec")@linfct[3 * (v - 1) + 1:3, ] }
ref$joint$lmer_arm_equal_by_visit <- lapply(1:3, function(v) { L <- L_of(f_lmer, v)
  k <- KRmodcomp(f_lmer, L)$stats; s <- contestMD(f_lmer, L, ddf = "Satterthwaite")
  list(visit = levels(d$visit)[v], kr_F = k$Fstat, kr_den_df = k$ddf, kr_p = k$p.value,
       satterthwaite_F = s$`F value`, satterthwaite_den_df = s$DenDF, satterthwaite_p = s$`Pr(>F)`) })

## multivariate t, integer df: P(max |T| > t) of the lm fit's own contrasts and of given correlations
tail_of <- function(t, R, df, side) {
  k <- nrow(R)
  set.seed(1)
  p <- pmvt(lower = if (side == 2) rep(-t, k) else rep(-Inf, k), upper = rep(t, k), df = df, corr = R,
            algorithm = GenzBretz(maxpts = 5e5, abseps = 1e-6, releps = 0))
  list(t = t, df = df, sides = side, tail = 1 - as.numeric(p), error = attr(p, "error"))
}
V <- vcov(f_lm); df <- df.residual(f_lm)
lm_family <- function(name, method, visit) {
  c1 <- contrast(emmeans(f_lm, ~ arm | visit), method); L <- c1@linfct[as.character(c1@grid$visit) == visit, ]
  R <- cov2cor(L %*% V %*% t(L)); t <- drop(L %*% coef(f_lm)) / sqrt(diag(L %*% V %*% t(L)))
  list(family = name, visit = visit, names = as.character(c1@grid$contrast)[as.character(c1@grid$visit) == visit], t = unname(t), df = df,
       tails = lapply(abs(t), function(x) tail_of(x, R, df, 2)))
}
ref$mvt_lm <- list(lm_family("pairwise", "pairwise", "Week 12"), lm_family("trt.vs.ctrl", "trt.vs.ctrl", "Week 12"),
                   lm_family("eff", "eff", "Week 24"))
corr <- function(n) { l <- sqrt(n[-1] / (n[-1] + n[1])); R <- outer(l, l); diag(R) <- 1; R }
ar1 <- function(k, r) r^abs(outer(1:k, 1:k, "-"))
toep <- function(v) stats::toeplitz(v)
given <- list(dunnett_unbalanced = corr(c(30, 10, 20, 40, 15, 25)), ar1_4 = ar1(4, 0.7), ar1_3_negative = ar1(3, -0.5),
              toeplitz_5 = toep(c(1, 0.6, 0.2, -0.1, -0.3)), exchangeable_3_negative = toep(c(1, -0.4, -0.4)))
ref$mvt_given <- lapply(names(given), function(n) list(name = n, correlation = apply(given[[n]], 1, c, simplify = FALSE),
  tails = unlist(lapply(list(c(1.2, 7), c(2.3, 12), c(2.9, 40), c(2.5, 0)), function(a)
    lapply(1:2, function(s) tail_of(a[1], given[[n]], a[2], s))), recursive = FALSE)))
write_json(ref, "reference.json", digits = 15, auto_unbox = TRUE, na = "null", pretty = FALSE)
