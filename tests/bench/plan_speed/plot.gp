# Draws what 'plan_speed curve' printed: plan_speed curve > curve.txt; gnuplot plot.gp
set terminal svg size 720,440 font "sans-serif,13" background rgb "white"
set output "curve.svg"
set xrange [1000:1000000]
set logscale xy
set xlabel "tests"
set ylabel "seconds"
set key right bottom
set grid
set rmargin 5
nlogn(n) = n * log(n)
stats "curve.txt" using ($1 == 1000000 ? $2 : NaN) name "RUN" nooutput
stats "curve.txt" using ($1 == 1000000 ? $3 : NaN) name "PLAN" nooutput
set format x "%.0f"
plot "curve.txt" using 1:2 with linespoints lw 2 pt 7 ps 0.6 title "all decisions of a run by 1000 agents", \
     "curve.txt" using 1:3 with linespoints lw 2 pt 5 ps 0.6 title "static plan, 1000 machines", \
     RUN_max * nlogn(x) / nlogn(1e6) with lines dt 2 lc rgb "grey" title "n log n through the last points", \
     PLAN_max * nlogn(x) / nlogn(1e6) with lines dt 2 lc rgb "grey" notitle
